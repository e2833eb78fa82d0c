//! Media that leaves: one task per bulk stream writes what it is given, without copying.

use bytes::Bytes;
use runnel_peer_core::{BulkId, Input, LinkId, Verified};
use runnel_protocol::bulk::frame_header;
use runnel_protocol::peer::CloseReason;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::inbox::Inbox;
use crate::transport::{Gone, SendStream, Session};

/// Chunks that wait for one stream. The peer gives out 16 per link at a time and waits for
/// [`Input::Written`].
const CHUNKS: usize = 64;
/// Chunks written at once, where that many wait: the connection is locked and its task woken once
/// for 256 KiB.
const AT_ONCE: usize = 4;

/// A bulk stream being sent. Dropping it breaks the stream off.
#[derive(Debug)]
pub(super) struct Outgoing {
    chunks: mpsc::Sender<Verified>,
    unless_finished: DropGuard,
}

impl Outgoing {
    /// Opens the stream in the background and starts with `header`.
    pub(super) fn start(
        session: Session,
        name: (LinkId, BulkId),
        header: Bytes,
        priority: i32,
        inbox: Inbox,
    ) -> Self {
        let (chunks, queue) = mpsc::channel(CHUNKS);
        let reset = CancellationToken::new();
        let unless_finished = reset.clone().drop_guard();
        tokio::spawn(async move {
            let mut writer = Writer {
                name,
                queue,
                inbox,
                owed: 0,
            };
            tokio::select! {
                () = writer.run(&session, header, priority, &reset) => {}
                _ = session.closed() => {}
            }
        });
        Self {
            chunks,
            unless_finished,
        }
    }

    /// Gives it a chunk, unless too many wait.
    pub(super) fn send(&self, chunk: Verified) -> Result<(), ()> {
        self.chunks.try_send(chunk).map_err(|_| ())
    }

    /// Ends the stream after what it was given.
    pub(super) fn finish(self) {
        self.unless_finished.disarm();
    }
}

struct Writer {
    name: (LinkId, BulkId),
    queue: mpsc::Receiver<Verified>,
    inbox: Inbox,
    /// Chunks taken that the peer has not been told of: it counts them.
    owed: usize,
}

impl Writer {
    async fn run(
        &mut self,
        session: &Session,
        header: Bytes,
        priority: i32,
        reset: &CancellationToken,
    ) {
        let mut stream = tokio::select! {
            opened = open(session, header, priority) => opened.ok(),
            () = reset.cancelled() => None,
        };
        if let Some(open) = &mut stream {
            tokio::select! {
                () = self.write(open) => {}
                () = reset.cancelled() => {
                    open.reset(CloseReason::Done.code());
                }
            }
        }
        // Whatever was given out is accounted for, sent or not.
        self.written().await;
        while self.queue.recv().await.is_some() {
            self.owed += 1;
            self.written().await;
        }
    }

    /// Writes until there is no more, or the other end wants no more.
    async fn write(&mut self, stream: &mut SendStream) {
        let mut chunks = Vec::with_capacity(AT_ONCE);
        let mut parts = Vec::with_capacity(2 * AT_ONCE);
        loop {
            self.owed = self.queue.recv_many(&mut chunks, AT_ONCE).await;
            if self.owed == 0 {
                break;
            }
            for chunk in chunks.drain(..) {
                let chunk = chunk.chunk();
                parts.extend([frame_header(chunk), chunk.data.clone()]);
            }
            let outcome = stream.write(&mut parts).await;
            self.written().await;
            if outcome.is_err() {
                return;
            }
        }
        stream.finish();
    }

    async fn written(&mut self) {
        let (link, bulk) = self.name;
        while self.owed > 0 {
            self.inbox.input(Input::Written(link, bulk)).await;
            self.owed -= 1;
        }
    }
}

async fn open(session: &Session, header: Bytes, priority: i32) -> Result<SendStream, Gone> {
    let mut stream = session.open_uni().await?;
    stream.set_priority(priority);
    stream.write(&mut vec![header]).await?;
    Ok(stream)
}
