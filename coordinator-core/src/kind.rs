//! The type of a peer from its implementation information (P3a).

use runnel_protocol::control::{ClientHello, PeerType, Platform};

use crate::reach::is_usable;

/// What a client is treated as, and why, in words.
pub(crate) fn judge(hello: &ClientHello) -> (PeerType, &'static str) {
    match hello.implementation.platform {
        Platform::Browser => (
            PeerType::Lightweight,
            "a web page cannot accept connections: it receives from agents and is never dialled",
        ),
        Platform::Native if !hello.implementation.accepts => (
            PeerType::Lightweight,
            "this agent says that it does not accept connections",
        ),
        Platform::Native if !hello.endpoints.iter().any(is_usable) => (
            PeerType::Lightweight,
            "this agent accepts connections but named no address to reach it at",
        ),
        Platform::Native if hello.certificates.is_empty() => (
            PeerType::Lightweight,
            "this agent accepts connections but named no certificate to know it by",
        ),
        Platform::Native => (
            PeerType::Regular,
            "an installed agent that accepts connections: it can feed others",
        ),
    }
}
