//! Whole audiences in virtual time: the real peers and the real control center on a seeded
//! network, with everything that goes wrong, and checkers that look on.
//!
//! [`Scenario`] is what an operator asks; [`Run`] plays it; [`Outcome`] is what came of it. The
//! same scenario and seed give the same digest, on any machine.

mod atlas;
mod bounds;
mod checkers;
mod crowd;
mod dice;
mod digest;
mod faults;
mod library;
mod network;
mod node;
mod office;
mod origin;
mod player;
mod population;
pub mod report;
mod run;
pub mod scenario;
mod signatures;
mod tally;
mod title;
mod wheel;
mod world;

pub use bounds::Bounds;
pub use checkers::Verdict;
pub use checkers::crossings::Crossing;
pub use run::{Manner, Outcome, Run, play};
pub use scenario::{Scenario, ScenarioError};
pub use tally::{Depth, Second};
