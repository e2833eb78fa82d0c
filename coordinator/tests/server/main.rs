//! The server as a whole: a real one on loopback, real clients.

mod client;
mod door;
mod operator;
mod restart;
