//! Between a visitor and the agent: control messages and uploads as they are, media as the liar
//! likes it.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use runnel_protocol::bulk::{BulkDecoder, BulkItem, frame_header};
use tokio::task::JoinSet;
use web_transport_quinn::{RecvStream, SendStream, Session, SessionError, WebTransportError};

use super::lie::{Liar, Tale};

/// Bytes read at once.
const READ: usize = 128 * 1024;

/// Carries everything until either end closes, then closes the other with the same code.
pub(super) async fn relay(visitor: Session, agent: Session, liar: Arc<Liar>) {
    tokio::select! {
        _ = control(&visitor, &agent) => {}
        () = uploads(&visitor, &agent) => {}
        () = media(&visitor, &agent, &liar) => {}
        _ = visitor.closed() => {}
        _ = agent.closed() => {}
    }
    let (from_visitor, from_agent) = (code(&visitor), code(&agent));
    visitor.close(from_agent.unwrap_or_default(), b"");
    agent.close(from_visitor.unwrap_or_default(), b"");
}

async fn control(visitor: &Session, agent: &Session) -> Result<()> {
    let (to_agent, from_agent) = agent.accept_bi().await?;
    let (to_visitor, from_visitor) = visitor.open_bi().await?;
    let both = tokio::join!(copy(from_agent, to_visitor), copy(from_visitor, to_agent));
    both.0.and(both.1)
}

async fn uploads(visitor: &Session, agent: &Session) {
    let mut streams = JoinSet::new();
    while let Ok(from) = visitor.accept_uni().await {
        let agent = agent.clone();
        streams.spawn(async move { copy(from, agent.open_uni().await?).await });
    }
}

async fn media(visitor: &Session, agent: &Session, liar: &Arc<Liar>) {
    let mut streams = JoinSet::new();
    while let Ok(from) = agent.accept_uni().await {
        let (visitor, liar) = (visitor.clone(), Arc::clone(liar));
        streams.spawn(async move { tell(from, &visitor, &liar).await });
    }
}

async fn copy(mut from: RecvStream, mut to: SendStream) -> Result<()> {
    while let Some(chunk) = from.read_chunk(READ, true).await? {
        to.write_chunk(chunk.bytes).await?;
    }
    Ok(to.finish()?)
}

/// One stream of media, told in the liar's way.
async fn tell(mut from: RecvStream, visitor: &Session, liar: &Liar) -> Result<()> {
    let mut decoder = BulkDecoder::default();
    let mut telling: Option<(SendStream, Tale<'_>)> = None;
    while let Some(read) = from.read_chunk(READ, true).await? {
        let mut bytes = &*read.bytes;
        while let Some(item) = decoder.poll(&mut bytes)? {
            match item {
                BulkItem::Header(header) => {
                    let (header, tale) = liar.begin(header).context("nothing to tell yet")?;
                    let mut to = visitor.open_uni().await?;
                    to.write_chunk(header.encode()).await?;
                    telling = Some((to, tale));
                }
                BulkItem::Chunk(chunk) => {
                    let (to, tale) = telling.as_mut().context("a stream without header")?;
                    if let Some(chunk) = tale.instead_of(chunk).await {
                        let mut frame: [Bytes; 2] = [frame_header(&chunk), chunk.data];
                        to.write_all_chunks(&mut frame).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn code(session: &Session) -> Option<u32> {
    match session.close_reason()? {
        SessionError::WebTransportError(WebTransportError::Closed(code, _)) => Some(code),
        SessionError::ConnectionError(_)
        | SessionError::WebTransportError(_)
        | SessionError::SendDatagramError(_) => None,
    }
}
