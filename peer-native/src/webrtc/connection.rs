//! One WebRTC connection: the task between its datagrams and its streams.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel_protocol::channels::{BULK_CHANNEL, CONTROL_CHANNEL, CONTROL_STREAM, Frame};
use runnel_protocol::codec::DecodeError;
use runnel_protocol::peer::CloseReason;
use str0m::channel::{ChannelConfig, ChannelData, ChannelId};
use str0m::config::Fingerprint;
use str0m::net::{Protocol, Receive};
use str0m::{
    Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc, RtcConfig, RtcError,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::packets::Packets;
use super::session::{Arriving, Command, End, Session};
use super::{Shown, limits};
use crate::port::{Datagram, Port};

/// Datagrams of one connection that wait for its task.
pub(super) const WAITING: usize = 256;
/// Bytes that are sent for each one received from an address that is not proven (RFC 9000 §8.1).
const AMPLIFICATION: usize = 3;
/// How long the last word may take to arrive.
const GOODBYE: Duration = Duration::from_secs(1);

/// Who comes, by what the first connectivity check says.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) from: SocketAddr,
    /// The address of ours that was asked, as ICE is to know it.
    pub(super) to: SocketAddr,
    /// The same where the system tells.
    pub(super) asked: Option<IpAddr>,
    /// What he calls us, and himself.
    pub(super) names: (String, String),
}

/// The connection's task.
pub(super) struct Connection {
    rtc: Rtc,
    port: Port,
    to: SocketAddr,
    asked: Option<IpAddr>,
    channels: Channels,
    /// Who waits for the channels to open, and the session that he gets.
    waiting: Option<(oneshot::Sender<Session>, Session)>,
    outbound: Outbound,
    inbound: Inbound,
    commands: mpsc::UnboundedReceiver<Command>,
    ended: watch::Sender<Option<End>>,
    /// Bytes that may be sent to an address that may be a victim's; `None` once the handshake, which nobody
    /// completes who does not hear us, is done.
    credit: Option<usize>,
}

/// The two channels, and the frame of each that did not fit yet.
struct Channels {
    control: ChannelId,
    bulk: ChannelId,
    blocked: [Option<Bytes>; 2],
    open: usize,
}

/// Why a connection's task ends.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("closed: {0:?}")]
    Closed(End),
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("malformed: {0}")]
    Malformed(#[from] DecodeError),
}

impl Connection {
    /// Answers `caller` as the bearer of this certificate. The session comes once both channels are open.
    pub(super) fn answer(
        caller: &Caller,
        shown: &Shown,
        port: Port,
    ) -> Result<(Self, oneshot::Receiver<Session>), RtcError> {
        let mut rtc = answerer(caller, shown)?;
        let mut direct = rtc.direct_api();
        let channels = Channels {
            control: direct.create_data_channel(channel(CONTROL_CHANNEL)),
            bulk: direct.create_data_channel(channel(BULK_CHANNEL)),
            blocked: [None, None],
            open: 0,
        };
        let (opens, opened) = oneshot::channel();
        let (commander, commands) = mpsc::unbounded_channel();
        let (ended, _) = watch::channel(None);
        let (mut inbound, arrived) = Inbound::new(commander.downgrade());
        let control = inbound.open(CONTROL_STREAM, commander.clone());
        let session = Session {
            commands: commander,
            ended: ended.subscribe(),
            arriving: Arc::new(Arriving {
                control: Some(control).into(),
                streams: arrived.into(),
            }),
            opened: Arc::default(),
        };
        let connection = Self {
            rtc,
            port,
            to: caller.to,
            asked: caller.asked,
            channels,
            waiting: Some((opens, session)),
            outbound: Outbound::default(),
            inbound,
            commands,
            ended,
            credit: Some(0),
        };
        Ok((connection, opened))
    }

    /// Runs until the connection is over, and says so.
    pub(super) async fn run(mut self, mut datagrams: mpsc::Receiver<Datagram>) {
        let over = match self.converse(&mut datagrams).await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        debug!(%over, "a WebRTC connection is over");
        let end = match over {
            Over::Closed(end) => end,
            Over::Malformed(_) => Some(CloseReason::Malformed),
            Over::Rtc(_) => None,
        };
        if let Over::Malformed(_) = over {
            self.say_goodbye(CloseReason::Malformed.code(), &mut datagrams)
                .await;
        }
        self.ended.send_replace(Some(end));
    }

    async fn converse(
        &mut self,
        datagrams: &mut mpsc::Receiver<Datagram>,
    ) -> Result<Infallible, Over> {
        loop {
            let wake = self.settle().await?;
            let full = self.inbound.held.is_over(limits::UNREAD);
            tokio::select! {
                datagram = datagrams.recv(), if !full => match datagram {
                    Some(datagram) => self.receive(&datagram)?,
                    None => return Err(Over::Closed(None)),
                },
                () = self.inbound.held.changed(), if full => {}
                command = self.commands.recv() => match command {
                    Some(Command::Close(code)) => {
                        self.say_goodbye(code, datagrams).await;
                        return Err(Over::Closed(None));
                    }
                    Some(command) => self.obey(command),
                    None => return Err(Over::Closed(None)),
                },
                () = patience(&mut self.waiting) => return Err(Over::Closed(None)),
                () = sleep_until(wake.into()) => self.rtc.handle_input(Input::Timeout(Instant::now()))?,
            }
        }
    }

    fn receive(&mut self, datagram: &Datagram) -> Result<(), Over> {
        // What is neither STUN nor DTLS is not ours to complain about.
        if let Ok(receive) = Receive::new(Protocol::Udp, datagram.from, self.to, &datagram.bytes) {
            let input = Input::Receive(Instant::now(), receive);
            if self.rtc.accepts(&input) {
                if let Some(credit) = &mut self.credit {
                    *credit += AMPLIFICATION * datagram.bytes.len();
                }
                self.rtc.handle_input(input)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Write {
                stream,
                priority,
                parts,
                done,
            } => self.outbound.write(stream, priority, parts, done),
            Command::Finish(stream) => self.outbound.finish(stream),
            Command::Reset(stream) => self.outbound.reset(stream),
            Command::Stop(stream) => self.outbound.stop(stream),
            // Taken care of by whoever takes commands.
            Command::Close(_) => {}
        }
    }

    /// Sends what fits and hears what there is; when to do so again.
    async fn settle(&mut self) -> Result<Instant, Over> {
        let mut packets = Packets::from(self.asked);
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(packet) => {
                    if self.may_send(packet.contents.len()) {
                        packets.add(&packet, &self.port).await;
                    }
                }
                Output::Event(event) => self.on_event(event)?,
                Output::Timeout(at) => {
                    if !self.fill()? {
                        packets.flush(&self.port).await;
                        return Ok(at);
                    }
                }
            }
        }
    }

    /// What may not be sent is lost, as on any network, and sent again when more has come.
    fn may_send(&mut self, bytes: usize) -> bool {
        let Some(credit) = &mut self.credit else {
            return true;
        };
        let left = credit.checked_sub(bytes);
        *credit = left.unwrap_or(*credit);
        left.is_some()
    }

    /// Gives both channels what they take; whether they took anything.
    fn fill(&mut self) -> Result<bool, Over> {
        let mut took = false;
        while let Some(frame) = self.channels.blocked[0]
            .take()
            .or_else(|| self.outbound.next_control().map(|frame| frame.encode()))
        {
            if !self.write(self.channels.control, &frame)? {
                self.channels.blocked[0] = Some(frame);
                break;
            }
            took = true;
        }
        while let Some(frame) = self.channels.blocked[1]
            .take()
            .or_else(|| self.outbound.next_bulk().map(|frame| frame.encode()))
        {
            if !self.has_room_for_media() || !self.write(self.channels.bulk, &frame)? {
                self.channels.blocked[1] = Some(frame);
                break;
            }
            took = true;
        }
        Ok(took)
    }

    /// Control never waits behind media that is not on its way yet.
    fn has_room_for_media(&mut self) -> bool {
        let bulk = self.rtc.channel(self.channels.bulk);
        bulk.is_some_and(|mut bulk| bulk.buffered_amount() < limits::UNACKNOWLEDGED)
    }

    fn write(&mut self, channel: ChannelId, frame: &[u8]) -> Result<bool, Over> {
        match self.rtc.channel(channel) {
            Some(mut channel) => Ok(channel.write(true, frame)?),
            None => Ok(false),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are about media of its own, of which there is none"
    )]
    fn on_event(&mut self, event: Event) -> Result<(), Over> {
        match event {
            Event::Connected => {
                self.credit = None;
                Ok(())
            }
            Event::ChannelOpen(..) => {
                self.channels.open += 1;
                if self.channels.open == self.channels.blocked.len()
                    && let Some((opens, session)) = self.waiting.take()
                {
                    // Whoever waited may have lost patience; then the session's end is this one's.
                    opens.send(session).ok();
                }
                Ok(())
            }
            Event::ChannelData(message) => self.hear(message),
            Event::ChannelClose(_) | Event::Closed => Err(Over::Closed(None)),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Err(Over::Closed(Some(CloseReason::Idle)))
            }
            _ => Ok(()),
        }
    }

    fn hear(&mut self, message: ChannelData) -> Result<(), Over> {
        match Frame::decode(message.data.into())? {
            Frame::Data(stream, bytes) => Ok(self.inbound.take(stream, bytes)?),
            Frame::End(stream) | Frame::Reset(stream) => {
                self.inbound.end(stream);
                Ok(())
            }
            Frame::Stop(stream) => {
                self.outbound.stopped(stream);
                Ok(())
            }
            Frame::Close(code) => Err(Over::Closed(CloseReason::from_code(code))),
        }
    }

    /// Sends the last word, and waits a moment for it to arrive.
    async fn say_goodbye(&mut self, code: u32, datagrams: &mut mpsc::Receiver<Datagram>) {
        let farewell = async {
            self.write(self.channels.control, &Frame::Close(code).encode())?;
            loop {
                let wake = self.settle().await?;
                let control = self.rtc.channel(self.channels.control);
                if control.is_none_or(|mut control| control.buffered_amount() == 0) {
                    return Ok::<_, Over>(());
                }
                tokio::select! {
                    datagram = datagrams.recv() => match datagram {
                        Some(datagram) => self.receive(&datagram)?,
                        None => return Ok(()),
                    },
                    () = sleep_until(wake.into()) => self.rtc.handle_input(Input::Timeout(Instant::now()))?,
                }
            }
        };
        // Whoever does not listen any more needs no goodbye.
        timeout(GOODBYE, farewell).await.ok();
    }
}

/// Waits until whoever waited for the session has lost patience.
async fn patience(waiting: &mut Option<(oneshot::Sender<Session>, Session)>) {
    match waiting {
        Some((opens, _)) => opens.closed().await,
        None => std::future::pending().await,
    }
}

/// Answers checks and sends none (RFC 8445 §2.5), and takes any certificate: as with QUIC, whoever comes proves
/// himself on the control stream.
fn answerer(caller: &Caller, shown: &Shown) -> Result<Rtc, RtcError> {
    let (ours, theirs) = &caller.names;
    let config = RtcConfig::new()
        .set_crypto_provider(Arc::clone(&shown.crypto))
        .clear_codecs()
        .set_ice_lite(true)
        .set_fingerprint_verification(false)
        .set_dtls_cert(shown.certificate.clone())
        .set_local_ice_credentials(credentials(ours, &shown.password))
        .set_sctp_max_buffered_amount(limits::UNACKNOWLEDGED + limits::FOR_CONTROL);
    let mut rtc = config.build(Instant::now());
    rtc.add_local_candidate(Candidate::host(caller.to, "udp")?);
    let mut direct = rtc.direct_api();
    direct.set_ice_controlling(false);
    direct.set_remote_ice_credentials(credentials(theirs, ""));
    // There has to be one, although it is not looked at.
    direct.set_remote_fingerprint(Fingerprint {
        hash_func: "sha-256".to_owned(),
        bytes: Vec::new(),
    });
    direct.start_dtls(false)?;
    direct.start_sctp(false);
    Ok(rtc)
}

fn credentials(name: &str, password: &str) -> IceCreds {
    IceCreds {
        ufrag: name.to_owned(),
        pass: password.to_owned(),
    }
}

fn channel(stream: u16) -> ChannelConfig {
    ChannelConfig {
        negotiated: Some(stream),
        ..ChannelConfig::default()
    }
}
