//! The wire is sacred: every message's bytes are written down, every message survives the trip,
//! and nonsense is refused. A changed snapshot is a new protocol version.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use runnel_protocol::bulk::{BulkDecoder, BulkHeader, BulkItem, MAX_BULK_HEADER, frame_header};
use runnel_protocol::codec::{DecodeError, FrameDecoder, MAX_MESSAGE, decode, encode};
use runnel_protocol::control::*;
use runnel_protocol::group::*;
use runnel_protocol::ids::*;
use runnel_protocol::manifest::*;
use runnel_protocol::peer::*;
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::*;
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::ticket::*;
use runnel_protocol::units::*;

fn segment() -> SegmentKey {
    SegmentKey {
        content: ContentId([1; 16]),
        track: TrackId([2; 16]),
        generation: 3,
        sequence: 400,
        range: Some(ByteRange {
            offset: 5,
            length: 600,
        }),
    }
}

fn signed<T>(body: T) -> Signed<T> {
    Signed {
        body,
        key: KeyId([7; 8]),
        signature: Signature([8; 64]),
    }
}

fn entry() -> SignedEntry {
    signed(Entry {
        segment: segment(),
        discontinuity: 1,
        length: 70_000,
        root: Root([9; 32]),
        path: PathHash([10; 16]),
        issued: UnixSeconds(1_800_000_000),
        expires: UnixSeconds(1_800_003_600),
    })
}

fn ticket() -> SignedTicket {
    signed(Ticket {
        id: TicketId([11; 16]),
        server: PublicKey([12; 32]),
        client: PublicKey([13; 32]),
        content: ContentId([1; 16]),
        tracks: vec![TrackId([2; 16])],
        page: Some(PageOrigin([26; 8])),
        rate: BitsPerSecond(8_000_000),
        bytes: 1 << 30,
        policy_version: 1,
        establish_before: UnixSeconds(1_800_000_060),
        not_after: UnixSeconds(1_800_000_900),
    })
}

fn certificate() -> Signed<StreamKeyCertificate> {
    signed(StreamKeyCertificate {
        key: PublicKey([14; 32]),
        waypoint: PeerId([15; 16]),
        contents: vec![ContentId([1; 16])],
        origins: vec!["https://origin.example".into()],
        issued: UnixSeconds(1_800_000_000),
        expires: UnixSeconds(1_800_086_400),
    })
}

fn contact() -> Contact {
    Contact {
        peer: PeerId([15; 16]),
        endpoints: vec![
            "192.0.2.1:4433".parse().unwrap(),
            "[2001:db8::1]:4433".parse().unwrap(),
        ],
        certificates: vec![CertificateHash([16; 32])],
        ticket: ticket(),
    }
}

fn between_peers() -> Vec<Control> {
    let (content, track) = (ContentId([1; 16]), TrackId([2; 16]));
    vec![
        Control::Challenge(Challenge {
            nonce: Nonce([17; 32]),
            key: PublicKey([12; 32]),
        }),
        Control::Hello(Hello {
            key: PublicKey([13; 32]),
            tickets: vec![ticket()],
            signature: Signature([18; 64]),
        }),
        Control::Welcome,
        Control::Present(ticket()),
        Control::Subscribe(Subscribe {
            content,
            track,
            stripes: 4,
            substreams: SubstreamSet(0b0101),
            from: 400,
        }),
        Control::Unsubscribe { content, track },
        Control::Request(Request {
            id: RequestId(19),
            segment: segment(),
            first: 1,
            count: 2,
            within_ms: 1500,
        }),
        Control::Cancel(RequestId(19)),
        Control::Decline {
            request: RequestId(19),
            reason: Decline::Busy,
        },
        Control::Announce(entry()),
        Control::Drain,
    ]
}

fn to_coordinator() -> Vec<ToCoordinator> {
    let content = ContentId([1; 16]);
    vec![
        ToCoordinator::Hello(Box::new(ClientHello {
            key: PublicKey([13; 32]),
            signature: Signature([18; 64]),
            implementation: Implementation {
                version: "runnel-agent 0.1.0".into(),
                platform: Platform::Native,
                accepts: true,
            },
            endpoints: vec!["192.0.2.1:4433".parse().unwrap()],
            certificates: vec![CertificateHash([16; 32])],
            uplink: BitsPerSecond(10_000_000),
            join_token: None,
        })),
        ToCoordinator::Enrol(Enrol {
            code: Some("correct-horse".into()),
            stream_key: PublicKey([14; 32]),
        }),
        ToCoordinator::Open(Open {
            content: ContentLocator::Name("live".into()),
            plays: true,
        }),
        ToCoordinator::Close(content),
        ToCoordinator::Heartbeat(Box::new(Heartbeat {
            sequence: 20,
            covers_ms: 1000,
            parents: vec![ParentReport {
                peer: PeerId([15; 16]),
                content,
                received: 125_000,
                wasted: 0,
                sequence_numbers: vec![(Substream(0), 21), (Substream(2), 22)],
                late: false,
            }],
            children: vec![ChildReport {
                peer: PeerId([23; 16]),
                content,
                sent: 65_536,
                sequence_numbers: vec![(Substream(1), 1)],
            }],
            contents: vec![ContentReport {
                content,
                live: true,
                tracks: vec![(TrackId([2; 16]), 400)],
                rate: BitsPerSecond(1_000_000),
                from_peers: 125_000,
                from_waypoints: 0,
                from_cdn: 0,
                buffer_ms: Some(4000),
                stalls: 0,
                ladder: vec![BitsPerSecond(800_000), BitsPerSecond(2_000_000)],
            }],
            uplink: Some(BitsPerSecond(10_000_000)),
            downlink: None,
            cpu_percent: Some(12),
            storage_left: None,
        })),
        ToCoordinator::Outcome(Outcome {
            content,
            peer: PeerId([15; 16]),
            result: LinkResult::Connected { after_ms: 30 },
        }),
        ToCoordinator::Strike(Strike {
            content,
            peer: PeerId([15; 16]),
            offence: Offence::BadChunk,
            segment: Some(segment()),
        }),
        ToCoordinator::Leave,
        ToCoordinator::Token("aaa.bbb.ccc".into()),
        ToCoordinator::Group(GroupRequest::Join(Invitation([27; 16]))),
        ToCoordinator::Group(GroupRequest::Found {
            name: "friday film".into(),
            strangers: Strangers::Last,
        }),
        ToCoordinator::Group(GroupRequest::Leave(Invitation([27; 16]))),
        ToCoordinator::Group(GroupRequest::Withdraw(Invitation([27; 16]))),
        ToCoordinator::Reachable(Reachability {
            endpoints: vec!["192.0.2.1:40001".parse().unwrap()],
            certificates: vec![CertificateHash([16; 32])],
        }),
    ]
}

fn from_coordinator() -> Vec<FromCoordinator> {
    let content = ContentId([1; 16]);
    vec![
        FromCoordinator::Challenge(Nonce([17; 32])),
        FromCoordinator::Welcome(Box::new(Welcome {
            peer: PeerId([23; 16]),
            kind: PeerType::Lightweight,
            why: "a browser only dials out".into(),
            heartbeat_ms: 1000,
            root_key: PublicKey([24; 32]),
            ticket_keys: vec![PublicKey([25; 32])],
            now: UnixSeconds(1_800_000_000),
            policy_floor: 7 << 32,
        })),
        FromCoordinator::Opened(Opened {
            content,
            name: "live".into(),
            stripes: 4,
            start_wait_ms: 2000,
        }),
        FromCoordinator::Refused(Refused {
            content: Some(content),
            why: "not licensed in DE".into(),
            retry_after_ms: None,
        }),
        FromCoordinator::Assign(Box::new(Assign {
            epoch: 26,
            content,
            stripes: 4,
            carries: SubstreamSet(0b1111),
            parents: vec![Parent {
                contact: contact(),
                source: Source::Peer,
                substreams: SubstreamSet(0b0010),
                carries: SubstreamSet(0b0011),
                why: "widest spare uplink".into(),
            }],
            children: vec![Child {
                contact: contact(),
                priority: 1,
            }],
            stream_keys: vec![certificate()],
            max_suggested_bitrate: Some(BitsPerSecond(2_000_000)),
            treatment: Treatment {
                behind_ms: 20_000,
                max_bitrate: Some(BitsPerSecond(800_000)),
                ends: true,
                why: "live for subscribers".into(),
            },
            why: String::new(),
        })),
        FromCoordinator::Revoke(vec![TicketId([11; 16])]),
        FromCoordinator::Attest(signed(OriginGrant {
            content,
            name: "live".into(),
            master_url: "https://origin.example/live/master.m3u8".into(),
            waypoint: PeerId([15; 16]),
            expires: UnixSeconds(1_800_003_600),
        })),
        FromCoordinator::Certificate(certificate()),
        FromCoordinator::Type {
            kind: PeerType::Regular,
            why: "connections to it were accepted".into(),
            reached: vec![([203, 0, 113, 7], 4433).into()],
        },
        FromCoordinator::TokenDue { within_ms: 90_000 },
        FromCoordinator::Group(GroupNews::Joined {
            group: GroupId([28; 16]),
            name: "friday film".into(),
            strangers: Strangers::No,
            invitation: Some(Invitation([27; 16])),
        }),
        FromCoordinator::Group(GroupNews::Left {
            group: GroupId([28; 16]),
            why: "the invitation was withdrawn".into(),
        }),
        FromCoordinator::Group(GroupNews::Refused("this invitation is not valid".into())),
    ]
}

fn hex(bytes: &[u8]) -> String {
    let rows = bytes
        .chunks(32)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect());
    rows.collect::<Vec<String>>().join("\n")
}

/// The variant's name and its bytes.
fn written<T: serde::Serialize + std::fmt::Debug>(messages: &[T]) -> String {
    let one = |message: &T| {
        let debug = format!("{message:?}");
        let name = debug
            .split(|at: char| !at.is_alphanumeric())
            .next()
            .unwrap_or_default();
        format!("{name}\n{}\n", hex(&encode(message)))
    };
    messages.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_bytes_between_peers_are_these() {
    insta::assert_snapshot!(written(&between_peers()));
}

#[test]
fn the_bytes_to_the_coordinator_are_these() {
    insta::assert_snapshot!(written(&to_coordinator()));
}

#[test]
fn the_bytes_from_the_coordinator_are_these() {
    insta::assert_snapshot!(written(&from_coordinator()));
}

#[test]
fn the_bytes_of_a_bulk_stream_are_these() {
    let media: Bytes = (0..20_000u32).map(|at| at as u8).collect::<Vec<_>>().into();
    let tree = SegmentTree::new(&media).unwrap();
    let header = BulkHeader {
        request: Some(RequestId(19)),
        entry: entry(),
    };
    let frames: Vec<_> = (0..2)
        .map(|index| hex(&frame_header(&tree.chunk(&media, index).unwrap())))
        .collect();
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        hex(&header.encode()),
        frames.join("\n\n")
    ));
}

#[test]
fn every_message_survives_the_trip() {
    for message in between_peers() {
        assert_eq!(message.check_bounds(), Ok(()));
        assert_eq!(decode::<Control>(&encode(&message)), Ok(message));
    }
    for message in to_coordinator() {
        assert_eq!(message.check_bounds(), Ok(()));
        assert_eq!(decode::<ToCoordinator>(&encode(&message)), Ok(message));
    }
    for message in from_coordinator() {
        assert_eq!(decode::<FromCoordinator>(&encode(&message)), Ok(message));
    }
}

#[test]
fn a_message_cut_short_is_refused() {
    for message in to_coordinator() {
        let bytes = encode(&message);
        for cut in 0..bytes.len() {
            assert_eq!(
                decode::<ToCoordinator>(&bytes[..cut]),
                Err(DecodeError::Malformed)
            );
        }
    }
}

#[test]
fn values_out_of_bounds_are_refused() {
    let too_long = Entry {
        length: MAX_SEGMENT + 1,
        ..entry().body
    };
    let (content, track) = (ContentId([1; 16]), TrackId([2; 16]));
    let wrong = [
        Control::Announce(signed(too_long)),
        Control::Announce(signed(Entry {
            length: 0,
            ..entry().body
        })),
        Control::Hello(Hello {
            key: PublicKey([13; 32]),
            tickets: vec![],
            signature: Signature([18; 64]),
        }),
        Control::Subscribe(Subscribe {
            content,
            track,
            stripes: 2,
            substreams: SubstreamSet(0b100),
            from: 0,
        }),
        Control::Request(Request {
            id: RequestId(1),
            segment: segment(),
            first: 0,
            count: 0,
            within_ms: 0,
        }),
    ];
    for message in wrong {
        assert!(message.check_bounds().is_err(), "{message:?}");
    }
    let text = "x".repeat(MAX_TEXT + 1);
    let open = ToCoordinator::Open(Open {
        content: ContentLocator::Name(text),
        plays: true,
    });
    assert!(open.check_bounds().is_err());
    let found = ToCoordinator::Group(GroupRequest::Found {
        name: "x".repeat(MAX_GROUP_NAME + 1),
        strangers: Strangers::Yes,
    });
    assert!(found.check_bounds().is_err());
    let crowded = ToCoordinator::Reachable(Reachability {
        endpoints: vec!["192.0.2.1:1".parse().unwrap(); MAX_ENDPOINTS + 1],
        certificates: Vec::new(),
    });
    assert!(crowded.check_bounds().is_err());
}

#[test]
fn an_invitation_is_in_no_log() {
    let invitation = Invitation([27; 16]);
    let text = invitation.text();
    assert_eq!(text.parse(), Ok(invitation));
    let join = ToCoordinator::Group(GroupRequest::Join(invitation));
    assert!(!format!("{join:?}").contains("27"), "{join:?}");
    assert_ne!(InvitationHash::from(&invitation).to_string(), text);
}

#[test]
fn a_bulk_stream_with_an_oversized_header_or_chunk_is_refused_at_its_first_bytes() {
    let mut decoder = BulkDecoder::default();
    let prefix = u32::try_from(MAX_BULK_HEADER + 1).unwrap().to_le_bytes();
    assert!(matches!(
        decoder.poll(&mut prefix.as_slice()),
        Err(DecodeError::TooLong { .. })
    ));

    let start = BulkHeader {
        request: None,
        entry: entry(),
    }
    .encode();
    for (length, steps) in [(MAX_CHUNK as u32 + 1, 0), (0, 0), (1, 255)] {
        let mut decoder = BulkDecoder::default();
        let header = decoder.poll(&mut &*start);
        assert!(matches!(header, Ok(Some(BulkItem::Header(_)))));
        let mut frame = 0u32.to_le_bytes().to_vec();
        frame.extend_from_slice(&u32::to_le_bytes(length));
        frame.push(steps);
        let refused = decoder.poll(&mut frame.as_slice());
        assert!(matches!(refused, Err(DecodeError::OutOfBounds(_))));
    }
}

proptest! {
    #[test]
    fn a_bulk_stream_survives_any_cut(length in 1usize..300_000, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let media: Bytes = vec![7; length].into();
        let tree = SegmentTree::new(&media).unwrap();
        let chunks: Vec<ProvenChunk> =
            (0..chunk_count(tree.length())).map(|index| tree.chunk(&media, index).unwrap()).collect();
        let header = BulkHeader { request: None, entry: entry() };
        let mut stream = header.encode().to_vec();
        for chunk in &chunks {
            stream.extend_from_slice(&frame_header(chunk));
            stream.extend_from_slice(&chunk.data);
        }
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let mut decoder = BulkDecoder::default();
        let mut items = Vec::new();
        for part in at.windows(2) {
            let mut bytes = &stream[part[0]..part[1]];
            while let Some(item) = decoder.poll(&mut bytes).unwrap() {
                items.push(item);
            }
            prop_assert!(bytes.is_empty());
        }
        prop_assert!(decoder.is_complete());
        prop_assert_eq!(&items[0], &BulkItem::Header(header));
        let received: Vec<_> = items[1..].iter().map(|item| match item {
            BulkItem::Chunk(chunk) => chunk.clone(),
            BulkItem::Header(_) => panic!("a second header"),
        }).collect();
        prop_assert_eq!(received, chunks);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic_or_hoard(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = decode::<Control>(&bytes).map(|message| message.check_bounds());
        let _ = decode::<ToCoordinator>(&bytes).map(|message| message.check_bounds());
        let _ = decode::<FromCoordinator>(&bytes);
        let mut frames = FrameDecoder::default();
        frames.push(&bytes);
        while let Ok(Some(_)) = frames.poll::<Control>() {}
        let mut bulk = BulkDecoder::default();
        let mut rest = bytes.as_slice();
        while let Ok(Some(_)) = bulk.poll(&mut rest) {}
    }

    #[test]
    fn a_flipped_bit_in_a_message_never_panics(pick in any::<prop::sample::Index>(), bit in 0u8..8, which in any::<prop::sample::Index>()) {
        let messages = to_coordinator();
        let mut bytes = encode(&messages[which.index(messages.len())]);
        let at = pick.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode::<ToCoordinator>(&bytes).map(|message| message.check_bounds());
    }
}

#[test]
fn nothing_larger_than_a_message_is_looked_at() {
    let refused = decode::<ToCoordinator>(&vec![0; MAX_MESSAGE + 1]);
    assert_eq!(
        refused,
        Err(DecodeError::TooLong {
            length: MAX_MESSAGE + 1,
            limit: MAX_MESSAGE
        })
    );
}
