//! A connection, whichever door it came through: our own QUIC and WebTransport, or WebRTC. Nothing above this file
//! knows which one it holds.

use std::sync::Arc;

use bytes::Bytes;
use runnel_protocol::peer::CloseReason;
use web_transport_quinn::{SessionError, WebTransportError};

use crate::webrtc;

/// Nobody takes what is written, or it cannot be opened: the connection is gone, or the stream is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// A connection to another peer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Session {
    Quic(Arc<web_transport_quinn::Session>),
    WebRtc(webrtc::Session),
}

impl From<web_transport_quinn::Session> for Session {
    fn from(session: web_transport_quinn::Session) -> Self {
        Self::Quic(Arc::new(session))
    }
}

impl Session {
    /// The control stream, opened by whoever was dialled.
    pub(crate) async fn control(&self, dialled: bool) -> Result<(SendStream, RecvStream), Gone> {
        match self {
            Self::Quic(session) => {
                let opened = if dialled {
                    session.accept_bi().await
                } else {
                    session.open_bi().await
                };
                let (send, receive) = opened.map_err(|_| Gone)?;
                Ok((SendStream::Quic(send), RecvStream::Quic(receive)))
            }
            Self::WebRtc(session) => {
                let (send, receive) = session.control().ok_or(Gone)?;
                Ok((SendStream::WebRtc(send), RecvStream::WebRtc(receive)))
            }
        }
    }

    /// A stream to write media on, once the other end lets it be opened.
    pub(crate) async fn open_uni(&self) -> Result<SendStream, Gone> {
        match self {
            Self::Quic(session) => {
                let opened = session.open_uni().await;
                opened.map(SendStream::Quic).map_err(|_| Gone)
            }
            Self::WebRtc(session) => Ok(SendStream::WebRtc(session.open_uni())),
        }
    }

    /// The next stream that the other end opens for media.
    pub(crate) async fn accept_uni(&self) -> Result<RecvStream, Gone> {
        match self {
            Self::Quic(session) => {
                let accepted = session.accept_uni().await;
                accepted.map(RecvStream::Quic).map_err(|_| Gone)
            }
            Self::WebRtc(session) => {
                let accepted = session.accept_uni().await;
                accepted.map(RecvStream::WebRtc).ok_or(Gone)
            }
        }
    }

    /// Closes it with this code.
    pub(crate) fn close(&self, code: u32) {
        match self {
            Self::Quic(session) => session.close(code, b""),
            Self::WebRtc(session) => session.close(code),
        }
    }

    /// Waits until it is gone: what the other end said when it closed, or what its silence means.
    pub(crate) async fn closed(&self) -> Option<CloseReason> {
        match self {
            Self::Quic(session) => reason(&session.closed().await),
            Self::WebRtc(session) => session.closed().await,
        }
    }
}

fn reason(error: &SessionError) -> Option<CloseReason> {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(code, _)) => {
            CloseReason::from_code(*code)
        }
        SessionError::ConnectionError(quinn::ConnectionError::TimedOut) => Some(CloseReason::Idle),
        SessionError::ConnectionError(_)
        | SessionError::WebTransportError(_)
        | SessionError::SendDatagramError(_) => None,
    }
}

/// A stream that is being written.
#[derive(Debug)]
pub(crate) enum SendStream {
    Quic(web_transport_quinn::SendStream),
    WebRtc(webrtc::SendStream),
}

impl SendStream {
    /// The highest goes first.
    pub(crate) fn set_priority(&mut self, priority: i32) {
        match self {
            // An error means that it is closed, which writing tells.
            Self::Quic(stream) => drop(stream.set_priority(priority)),
            Self::WebRtc(stream) => stream.set_priority(priority),
        }
    }

    /// Takes all of `parts`, and returns when they are on their way.
    pub(crate) async fn write(&mut self, parts: &mut Vec<Bytes>) -> Result<(), Gone> {
        let written = match self {
            Self::Quic(stream) => stream.write_all_chunks(parts).await.map_err(|_| Gone),
            Self::WebRtc(stream) => {
                let parts = std::mem::take(parts);
                stream.write(parts).await.map_err(|_| Gone)
            }
        };
        parts.clear();
        written
    }

    /// Ends it in order.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Quic(stream) => drop(stream.finish()),
            Self::WebRtc(stream) => stream.finish(),
        }
    }

    /// Breaks it off.
    pub(crate) fn reset(&mut self, code: u32) {
        match self {
            Self::Quic(stream) => drop(stream.reset(code)),
            Self::WebRtc(stream) => stream.reset(),
        }
    }
}

/// A stream that arrives.
#[derive(Debug)]
pub(crate) enum RecvStream {
    Quic(web_transport_quinn::RecvStream),
    WebRtc(webrtc::RecvStream),
}

impl RecvStream {
    /// Reads packets into `packets`, as many as there are and fit; `None` at the end, in order or not.
    pub(crate) async fn read(&mut self, packets: &mut [Bytes]) -> Option<usize> {
        match self {
            Self::Quic(stream) => stream.read_chunks(packets).await.ok().flatten(),
            Self::WebRtc(stream) => {
                let first = packets.first_mut()?;
                *first = stream.read().await?;
                Some(1)
            }
        }
    }

    /// Tells the other end that the rest is not wanted.
    pub(crate) fn stop(&mut self, code: u32) {
        match self {
            Self::Quic(stream) => drop(stream.stop(code)),
            Self::WebRtc(stream) => stream.stop(),
        }
    }
}
