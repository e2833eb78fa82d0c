//! What waits to be sent over a connection, the most urgent stream first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use runnel_protocol::channels::{CONTROL_STREAM, Frame, MAX_FRAME};
use tokio::sync::oneshot;

/// Resolves once all of a write is on its way; breaks where the rest of the stream is not wanted.
pub(super) type Done = oneshot::Sender<()>;

/// Streams that are open, with what they have to send. Each holds one write at most, of 256 KiB: whoever writes
/// waits for it. How many there are the peer decides, who has so many chunks under way and no more.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    streams: BTreeMap<u32, Waiting>,
    /// Ends, resets and stops, in order.
    words: VecDeque<Frame>,
}

#[derive(Debug, Default)]
struct Waiting {
    priority: i32,
    parts: VecDeque<Bytes>,
    done: Option<Done>,
    ends: bool,
    /// The other end has said that it wants no more.
    unwanted: bool,
}

impl Outbound {
    /// Takes a write; the highest priority goes first.
    pub(super) fn write(&mut self, stream: u32, priority: i32, parts: Vec<Bytes>, done: Done) {
        let waiting = self.streams.entry(stream).or_default();
        if !waiting.unwanted {
            waiting.priority = priority;
            waiting
                .parts
                .extend(parts.into_iter().filter(|part| !part.is_empty()));
            waiting.done = Some(done);
        }
    }

    /// Ends a stream after what it was given.
    pub(super) fn finish(&mut self, stream: u32) {
        if let Some(waiting) = self.streams.get_mut(&stream) {
            waiting.ends = true;
            self.end_if_over(stream);
        }
    }

    /// Breaks a stream off.
    pub(super) fn reset(&mut self, stream: u32) {
        if self
            .streams
            .remove(&stream)
            .is_some_and(|waiting| !waiting.unwanted)
        {
            self.words.push_back(Frame::Reset(stream));
        }
    }

    /// The other end wants no more of a stream.
    pub(super) fn stopped(&mut self, stream: u32) {
        if let Some(waiting) = self.streams.get_mut(&stream)
            && !waiting.unwanted
        {
            *waiting = Waiting {
                unwanted: true,
                ..Waiting::default()
            };
            self.words.push_back(Frame::Reset(stream));
        }
    }

    /// Tells the other end to stop a stream of its own.
    pub(super) fn stop(&mut self, stream: u32) {
        self.words.push_back(Frame::Stop(stream));
    }

    /// The next frame for the control channel.
    pub(super) fn next_control(&mut self) -> Option<Frame> {
        let stop = self
            .words
            .iter()
            .position(|word| matches!(word, Frame::Stop(_)));
        if let Some(stop) = stop {
            return self.words.remove(stop);
        }
        self.next_of(CONTROL_STREAM)
    }

    /// The next frame for the bulk channel.
    pub(super) fn next_bulk(&mut self) -> Option<Frame> {
        let word = self
            .words
            .iter()
            .position(|word| !matches!(word, Frame::Stop(_)));
        if let Some(word) = word {
            return self.words.remove(word);
        }
        let media = self
            .streams
            .iter()
            .filter(|(stream, _)| **stream != CONTROL_STREAM);
        let ready = media.filter(|(_, waiting)| !waiting.parts.is_empty());
        // Of two that are as urgent the one that was opened first.
        let rank = |stream: u32, waiting: &Waiting| (waiting.priority, Reverse(stream));
        let (stream, _) = ready.max_by_key(|(stream, waiting)| rank(**stream, waiting))?;
        let stream = *stream;
        self.next_of(stream)
    }

    fn next_of(&mut self, stream: u32) -> Option<Frame> {
        let waiting = self.streams.get_mut(&stream)?;
        let part = waiting.parts.front_mut()?;
        let bytes = part.split_to(part.len().min(MAX_FRAME));
        if part.is_empty() {
            waiting.parts.pop_front();
        }
        if waiting.parts.is_empty()
            && let Some(done) = waiting.done.take()
        {
            // Whoever wrote may have lost interest.
            done.send(()).ok();
        }
        self.end_if_over(stream);
        Some(Frame::Data(stream, bytes))
    }

    fn end_if_over(&mut self, stream: u32) {
        let over = |waiting: &Waiting| waiting.ends && waiting.parts.is_empty();
        if self.streams.get(&stream).is_some_and(over)
            && let Some(ended) = self.streams.remove(&stream)
            && !ended.unwanted
        {
            self.words.push_back(Frame::End(stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(
        outbound: &mut Outbound,
        stream: u32,
        priority: i32,
        length: usize,
    ) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        outbound.write(stream, priority, vec![vec![0; length].into()], done);
        written
    }

    #[test]
    fn the_most_urgent_stream_goes_first_and_is_cut_into_frames() {
        let mut outbound = Outbound::default();
        let mut later = write(&mut outbound, 1, -5, 1);
        let mut sooner = write(&mut outbound, 2, -1, MAX_FRAME + 1);
        outbound.finish(2);
        assert!(
            matches!(outbound.next_bulk(), Some(Frame::Data(2, bytes)) if bytes.len() == MAX_FRAME)
        );
        assert!(sooner.try_recv().is_err());
        assert!(matches!(outbound.next_bulk(), Some(Frame::Data(2, bytes)) if bytes.len() == 1));
        assert!(sooner.try_recv().is_ok());
        assert_eq!(outbound.next_bulk(), Some(Frame::End(2)));
        assert!(matches!(outbound.next_bulk(), Some(Frame::Data(1, _))));
        assert!(later.try_recv().is_ok());
        assert_eq!(outbound.next_bulk(), None);
    }

    #[test]
    fn media_never_takes_the_place_of_control() {
        let mut outbound = Outbound::default();
        let _media = write(&mut outbound, 1, i32::MAX, 1);
        assert_eq!(outbound.next_control(), None);
        let _control = write(&mut outbound, CONTROL_STREAM, 0, 1);
        outbound.stop(7);
        assert_eq!(outbound.next_control(), Some(Frame::Stop(7)));
        assert!(matches!(
            outbound.next_control(),
            Some(Frame::Data(CONTROL_STREAM, _))
        ));
        assert!(matches!(outbound.next_bulk(), Some(Frame::Data(1, _))));
    }

    #[test]
    fn a_stream_that_is_not_wanted_fails_its_writer() {
        let mut outbound = Outbound::default();
        let mut written = write(&mut outbound, 1, 0, 1);
        outbound.stopped(1);
        assert_eq!(
            written.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        assert_eq!(outbound.next_bulk(), Some(Frame::Reset(1)));
        let mut again = write(&mut outbound, 1, 0, 1);
        assert!(again.try_recv().is_err());
        outbound.reset(1);
        assert_eq!(outbound.next_bulk(), None);
    }
}
