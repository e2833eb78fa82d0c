//! Sending: as many chunks as uplink, links and tickets allow, from memory or disk.

use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::Source;
use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::peer::Decline;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, Substream};
use runnel_protocol::time::Timestamp;

use crate::allowance::Permission;
use crate::buffer::Slot;
use crate::config::AGENT;
use crate::input::{BulkId, LinkId, LoadId};
use crate::output::{Event, Output};
use crate::peer::Peer;
use crate::serve::GRACE;
use crate::upload::{Job, Next, Turn};
use crate::verify::Verified;

impl Peer {
    /// Hands the shell as many chunks as may go.
    pub(crate) fn pump_uploads(&mut self, now: Timestamp) {
        if self.uploads.is_empty() {
            self.uplink_due = None;
            return;
        }
        loop {
            match self.next_turn(now) {
                Turn::Send(next) => self.take_turn(&next, now),
                Turn::Refused(bulk) => self.refuse(bulk),
                Turn::Wait(until) => {
                    self.uplink_due = until;
                    break;
                }
            }
        }
        for (bulk, job) in self.uploads.take_over(now, GRACE) {
            self.end(bulk, &job, Decline::NotHere);
        }
    }

    fn next_turn(&mut self, now: Timestamp) -> Turn {
        let validity = self.validity(now);
        let Self {
            uploads,
            links,
            allowances,
            ..
        } = self;
        uploads.next(now, |job, bytes| {
            let SegmentKey { content, track, .. } = job.segment();
            let link = links.get(job.order.link);
            let ticket = link.and_then(|link| link.serving(content, track, &validity));
            ticket.map_or(Permission::Never, |ticket| {
                allowances.ask(ticket, bytes, now)
            })
        })
    }

    fn take_turn(&mut self, next: &Next, now: Timestamp) {
        self.charge(next, now);
        match self.buffer.get(&next.segment, next.index) {
            Slot::Memory(chunk, _) => {
                let chunk = chunk.clone();
                self.send_chunk(next, chunk);
            }
            Slot::Disk => {
                self.uploads.await_load(next);
                self.load(next.segment, next.index);
            }
            Slot::Missing => {
                self.put_back(next, now);
                self.seek_for_children(next.segment, now);
            }
        }
    }

    fn charge(&mut self, next: &Next, now: Timestamp) {
        let SegmentKey { content, track, .. } = next.segment;
        let validity = self.validity(now);
        let link = self.links.get(next.link);
        let ticket = link.and_then(|link| link.serving(content, track, &validity));
        if let Some(ticket) = ticket {
            self.allowances.charge(ticket, next.bytes, now);
        }
    }

    fn put_back(&mut self, next: &Next, now: Timestamp) {
        let SegmentKey { content, track, .. } = next.segment;
        let validity = self.validity(now);
        let link = self.links.get(next.link);
        let ticket = link.and_then(|link| link.serving(content, track, &validity));
        if let Some(ticket) = ticket {
            self.allowances.refund(ticket, next.bytes);
        }
        self.uploads.put_back(next);
    }

    fn send_chunk(&mut self, next: &Next, chunk: Verified) {
        let SegmentKey {
            content, sequence, ..
        } = next.segment;
        let bytes = chunk.length();
        self.open_bulk(next);
        let stripe = Substream::of(sequence, next.index, self.stripes(content));
        if let Some(link) = self.links.get_mut(next.link) {
            *link.sent.entry((content, stripe)).or_default() += 1;
            if let Some(peer) = link.peer {
                self.ledger.sent(peer, content, u64::from(bytes));
                self.event(Event::Sent(next.link, peer, bytes));
            }
        }
        self.output(Output::SendChunk(next.link, next.bulk, chunk));
    }

    fn open_bulk(&mut self, next: &Next) {
        let Some(job) = self.uploads.job_mut(next.bulk).filter(|job| !job.opened) else {
            return;
        };
        job.opened = true;
        let order = job.order.due.as_micros() / 1000;
        let header = Box::new(BulkHeader {
            request: job.order.request,
            entry: job.order.entry.clone(),
        });
        self.output(Output::OpenBulk {
            link: next.link,
            bulk: next.bulk,
            header,
            order,
        });
    }

    /// No ticket covers it. A standing wish stays: a renewed ticket may be on its way.
    fn refuse(&mut self, bulk: BulkId) {
        if let Some(job) = self.uploads.take(bulk) {
            self.end(bulk, &job, Decline::NotAllowed);
        }
    }

    /// A job is over: in order if it sent all it had promised.
    pub(crate) fn end(&mut self, bulk: BulkId, job: &Job, reason: Decline) {
        let link = job.order.link;
        match (job.opened, job.is_finished(), job.order.request) {
            (true, true, _) => self.output(Output::FinishBulk(link, bulk)),
            (true, false, _) => self.output(Output::ResetBulk(link, bulk)),
            (false, _, Some(request)) => self.decline(link, request, reason),
            (false, _, None) => {}
        }
    }

    pub(crate) fn reset(&mut self, jobs: Vec<(BulkId, Job)>) {
        for (bulk, job) in jobs.iter().filter(|(_, job)| job.opened) {
            self.output(Output::ResetBulk(job.order.link, *bulk));
        }
    }

    /// Whether a ticket lets a track be sent over a link, in principle.
    pub(crate) fn may_send(
        &self,
        link: LinkId,
        content: ContentId,
        track: TrackId,
        now: Timestamp,
    ) -> bool {
        let validity = self.validity(now);
        let link = self.links.get(link);
        let ticket = link.and_then(|link| link.serving(content, track, &validity));
        self.consent
            && ticket.is_some_and(|ticket| self.allowances.ask(ticket, 1, now) != Permission::Never)
    }

    pub(crate) fn load(&mut self, segment: SegmentKey, index: u32) {
        let name = (segment, index);
        if !AGENT || self.loads.values().any(|loading| *loading == name) {
            return;
        }
        let load = LoadId(self.name());
        self.loads.insert(load, name);
        self.output(Output::Load(load, segment, index));
    }

    /// A chunk came from disk: believed no more than one from the network.
    pub(crate) fn on_loaded(&mut self, load: LoadId, chunk: Option<ProvenChunk>, now: Timestamp) {
        let Some((segment, index)) = self.loads.remove(&load) else {
            return;
        };
        let chunk = chunk.filter(|chunk| chunk.index == index);
        let damaged = chunk.is_some();
        let verified = chunk.and_then(|chunk| self.verifier.verify(&segment, chunk));
        let waiting = self.uploads.loaded(&segment, index);
        let (Some(verified), Some(entry)) = (verified, self.verifier.entry(&segment)) else {
            self.buffer.lost(&segment, index);
            if damaged {
                self.output(Output::Discard(segment, index));
            }
            waiting.iter().for_each(|next| self.put_back(next, now));
            self.seek_for_children(segment, now);
            return self.advance(segment, now);
        };
        let length = entry.body.length;
        let chunk = verified.clone();
        self.buffer.insert(segment, length, chunk, Source::Peer);
        for next in &waiting {
            // The ticket may have been revoked while the disk was busy.
            if self.may_send(next.link, segment.content, segment.track, now) {
                self.send_chunk(next, verified.clone());
            } else {
                self.put_back(next, now);
            }
        }
        self.finish_if_whole(segment, now);
    }
}
