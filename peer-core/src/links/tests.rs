//! What stands on a link, when it is over, and which of two goes.

use runnel_protocol::control::{Implementation, Platform};
use runnel_protocol::ids::{KeyId, TicketId};
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::units::BitsPerSecond;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
const DATE: UnixSeconds = UnixSeconds(1000);
const OWN: PublicKey = PublicKey([1; 32]);
const CHILD: PublicKey = PublicKey([2; 32]);
const STRANGER: PublicKey = PublicKey([3; 32]);
const CONTENT: ContentId = ContentId([4; 16]);
const TRACK: TrackId = TrackId([5; 16]);

/// May be established and used until a minute from now.
fn ticket(server: PublicKey, client: PublicKey) -> Ticket {
    Ticket {
        id: TicketId([0; 16]),
        server,
        client,
        content: CONTENT,
        tracks: vec![TRACK],
        page: None,
        rate: BitsPerSecond(1_000_000),
        bytes: 1_000_000,
        policy_version: 1,
        establish_before: DATE.plus(60),
        not_after: DATE.plus(60),
    }
}

fn on(date: UnixSeconds) -> Validity {
    Validity {
        own: OWN,
        date,
        floor: 1,
    }
}

fn signed(ticket: Ticket) -> SignedTicket {
    Signed {
        body: ticket,
        key: KeyId([0; 8]),
        signature: Signature([0; 64]),
    }
}

fn ready(peer: PeerId) -> Link {
    Link::new(State::Ready, Some(peer), NOW)
}

fn serving(ticket: Ticket) -> Link {
    let mut link = ready(PeerId::of(&CHILD));
    link.grant(ticket);
    link
}

fn config(max_links: usize, max_handshakes: usize) -> Config {
    Config {
        key: OWN,
        implementation: Implementation {
            version: "story".into(),
            platform: Platform::Native,
            accepts: true,
        },
        uplink: BitsPerSecond(0),
        root_key: None,
        join_token: None,
        origin: false,
        waypoint: false,
        disk: false,
        memory: 0,
        max_links,
        max_handshakes,
    }
}

fn contact(peer: PeerId) -> Contact {
    Contact {
        peer,
        endpoints: Vec::new(),
        certificates: Vec::new(),
        ticket: signed(ticket(CHILD, OWN)),
    }
}

/// A link in this state, put there as if it had come so far.
fn with(links: &mut Links, id: LinkId, link: Link) {
    links.links.insert(id, link);
}

#[test]
fn a_ticket_serves_its_own_content_and_track_over_a_ready_link_until_its_end() {
    let mut link = serving(ticket(OWN, CHILD));
    let date = DATE;
    let child = Validity {
        own: CHILD,
        ..on(date)
    };
    assert!(link.serving(CONTENT, TRACK, &on(date)).is_some());
    assert!(link.serving(CONTENT, TRACK, &child).is_none());
    let other = ContentId([9; 16]);
    assert!(link.serving(other, TRACK, &on(date)).is_none());
    assert!(link.serving(CONTENT, TrackId([9; 16]), &on(date)).is_none());
    let last = date.plus(59);
    assert!(link.serving(CONTENT, TRACK, &on(last)).is_some());
    assert!(link.serving(CONTENT, TRACK, &on(last.plus(1))).is_none());
    link.state = State::AwaitingWelcome;
    assert!(link.serving(CONTENT, TRACK, &on(date)).is_none());
}

#[test]
fn whether_anything_is_served_is_a_question_of_who_serves_and_until_when() {
    let link = serving(ticket(OWN, CHILD));
    assert!(link.serves(&on(DATE.plus(59))));
    assert!(!link.serves(&on(DATE.plus(60))));
    assert!(!link.serves(&on(DATE.plus(61))));
    assert!(!serving(ticket(CHILD, OWN)).serves(&on(DATE)));
}

#[test]
fn under_an_older_policy_nothing_is_served_and_others_may_serve() {
    let newer = Validity {
        floor: 2,
        ..on(DATE)
    };
    let link = serving(ticket(OWN, CHILD));
    assert!(link.serving(CONTENT, TRACK, &newer).is_none());
    assert!(!plausible(&ticket(OWN, CHILD), &CHILD, false, &newer));
    assert!(
        newer.admits(&ticket(CHILD, OWN)),
        "that is for the other end to judge"
    );
}

#[test]
fn a_renewed_ticket_replaces_its_predecessor_and_no_other() {
    let other = |change: fn(&mut Ticket)| {
        let mut ticket = ticket(OWN, CHILD);
        change(&mut ticket);
        ticket
    };
    let different = [
        other(|ticket| ticket.content = ContentId([9; 16])),
        other(|ticket| ticket.server = STRANGER),
        other(|ticket| ticket.client = STRANGER),
    ];
    for different in different {
        let mut link = serving(ticket(OWN, CHILD));
        link.grant(different.clone());
        assert_eq!(link.tickets, [ticket(OWN, CHILD), different]);
        let renewed = other(|ticket| ticket.not_after = DATE.plus(900));
        link.grant(renewed.clone());
        assert_eq!(link.tickets.len(), 2);
        assert_eq!(link.tickets.last(), Some(&renewed));
    }
}

#[test]
fn so_many_tickets_stand_on_a_link_and_no_more() {
    let mut link = ready(PeerId::of(&CHILD));
    for content in 0..=MAX_STANDING {
        let content = ContentId([u8::try_from(content).unwrap(); 16]);
        let ticket = ticket(OWN, CHILD);
        link.grant(Ticket { content, ..ticket });
    }
    assert_eq!(link.tickets.len(), MAX_STANDING);
}

#[test]
fn a_link_is_over_without_tickets_or_when_the_other_end_leaves() {
    let mut link = serving(ticket(CHILD, OWN));
    assert!(!link.is_over(&on(DATE), NOW));
    link.drains_at = Some(NOW + SECOND);
    assert!(!link.is_over(&on(DATE), NOW));
    assert!(link.is_over(&on(DATE), NOW + SECOND));
    assert!(ready(PeerId::of(&CHILD)).is_over(&on(DATE), NOW));
}

#[test]
fn a_parent_that_is_not_assigned_any_more_is_kept_as_long_as_it_is_served() {
    let mut parent = serving(ticket(CHILD, OWN));
    parent.retire_at = Some(NOW);
    assert!(parent.is_over(&on(DATE), NOW));
    let mut child = serving(ticket(OWN, CHILD));
    child.retire_at = Some(NOW);
    assert!(!child.is_over(&on(DATE), NOW));
    assert!(child.is_over(&on(DATE.plus(60)), NOW));
}

#[test]
fn a_parent_that_stalls_again_is_left_alone_for_twice_as_long_up_to_five_minutes() {
    let mut link = ready(PeerId::of(&CHILD));
    let mut pause = || {
        link.misses = 3;
        link.stall(NOW);
        assert_eq!(link.misses, 0);
        let until = link.stalled_until.unwrap();
        assert!(link.is_stalled(until - Duration::from_micros(1)));
        assert!(!link.is_stalled(until));
        until.since(NOW).as_secs()
    };
    let pauses: Vec<_> = (0..7).map(|_| pause()).collect();
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 320]);
}

#[test]
fn whoever_brings_something_is_asked_again_and_one_miss_is_made_good() {
    let mut link = ready(PeerId::of(&CHILD));
    link.stall(NOW);
    link.misses = 2;
    link.thrive(NOW + SECOND);
    assert_eq!((link.misses, link.heard), (1, NOW + SECOND));
    assert!(!link.is_stalled(NOW + SECOND));
    link.stall(NOW);
    assert_eq!(link.stalled_until, Some(NOW + STALLED), "it begins anew");
}

#[test]
fn a_peer_is_reached_by_a_ready_link_or_one_that_is_being_dialled() {
    let (peer, other) = (PeerId([7; 16]), PeerId([8; 16]));
    let mut links = Links::default();
    let accepted = LinkId::accepted(1);
    let unproven = Link::new(State::Judging { pending: 1 }, Some(peer), NOW);
    with(&mut links, accepted, unproven);
    assert!(!links.is_reaching(peer), "he has to prove himself first");
    assert!(!links.is_dialling(peer));

    let dialled = links.dial(&contact(peer), 8, NOW).unwrap();
    assert!(links.is_reaching(peer) && links.is_dialling(peer));
    assert!(!links.is_reaching(other) && !links.is_dialling(other));
    assert_eq!(links.ready_to(peer), None);

    links.get_mut(dialled).unwrap().state = State::Ready;
    assert!(links.is_reaching(peer) && !links.is_dialling(peer));
    assert_eq!(links.ready_to(peer), Some(dialled));
    assert_eq!(links.ready_to(other), None);

    links.remove(dialled).unwrap();
    links.get_mut(accepted).unwrap().state = State::Ready;
    assert!(links.is_reaching(peer) && !links.is_dialling(peer));
}

#[test]
fn dialling_ends_at_the_limit_and_presents_the_ticket() {
    let mut links = Links::default();
    let first = links.dial(&contact(PeerId([7; 16])), 2, NOW).unwrap();
    let second = links.dial(&contact(PeerId([8; 16])), 2, NOW).unwrap();
    assert_ne!(first, second);
    assert!(!first.is_accepted());
    let presenting = &links.get(first).unwrap().presenting;
    assert_eq!(*presenting, [signed(ticket(CHILD, OWN))]);
    assert_eq!(links.dial(&contact(PeerId([9; 16])), 2, NOW), None);
}

#[test]
fn strangers_get_few_places_and_those_who_have_proven_themselves_do_not_take_them() {
    let nonce = || Nonce([0; 32]);
    let config = config(5, 2);
    let mut links = Links::default();
    links.dial(&contact(PeerId([7; 16])), 8, NOW).unwrap();
    let knock = |links: &mut Links, count| {
        let id = LinkId::accepted(count);
        links.accept(id, nonce(), &config, NOW)
    };
    assert!(knock(&mut links, 1).is_ok());
    assert!(knock(&mut links, 2).is_ok());
    assert_eq!(knock(&mut links, 3), Err(CloseReason::Full));
    links.get_mut(LinkId::accepted(1)).unwrap().state = State::Ready;
    assert!(knock(&mut links, 3).is_ok());
    for id in [2, 3] {
        links.get_mut(LinkId::accepted(id)).unwrap().state = State::Ready;
    }
    assert!(knock(&mut links, 4).is_ok(), "the fifth link of five");
    links.get_mut(LinkId::accepted(4)).unwrap().state = State::Ready;
    assert_eq!(knock(&mut links, 5), Err(CloseReason::Full));
}

#[test]
fn a_handshake_that_takes_too_long_is_overdue_and_a_ready_link_never() {
    let mut links = Links::default();
    assert_eq!(links.next_overdue(), None);
    let late = links.dial(&contact(PeerId([7; 16])), 8, NOW).unwrap();
    let later = NOW + SECOND;
    let next = links.dial(&contact(PeerId([8; 16])), 8, later).unwrap();
    with(&mut links, LinkId::accepted(1), ready(PeerId([9; 16])));
    let due = NOW + Config::HANDSHAKE;
    assert_eq!(links.next_overdue(), Some(due));
    assert!(links.overdue(due - Duration::from_micros(1)).is_empty());
    assert_eq!(links.overdue(due), [late]);
    assert_eq!(links.overdue(due + SECOND), [late, next]);
    links.get_mut(late).unwrap().state = State::Ready;
    assert_eq!(links.next_overdue(), Some(due + SECOND));
}

/// Links of one end to the other: which of the two goes.
fn loser(own: PeerId, peer: PeerId, ids: [LinkId; 2]) -> Option<LinkId> {
    let mut links = Links::default();
    ids.iter().for_each(|id| with(&mut links, *id, ready(peer)));
    with(&mut links, LinkId::accepted(99), ready(PeerId([0; 16])));
    links.duplicate(own, peer)
}

#[test]
fn of_two_links_both_ends_give_up_the_same() {
    let (small, large) = (PeerId([1; 16]), PeerId([2; 16]));
    let (dialled, accepted) = (LinkId::dialled(1), LinkId::accepted(1));
    // The one that the larger one dialled goes: accepted here, dialled there.
    assert_eq!(loser(small, large, [dialled, accepted]), Some(accepted));
    assert_eq!(loser(large, small, [dialled, accepted]), Some(dialled));
}

#[test]
fn whoever_dials_again_has_lost_the_older_link() {
    let (small, large) = (PeerId([1; 16]), PeerId([2; 16]));
    for (own, peer) in [(small, large), (large, small)] {
        let twice = [LinkId::dialled(1), LinkId::dialled(2)];
        assert_eq!(loser(own, peer, twice), Some(twice[0]));
        let twice = [LinkId::accepted(1), LinkId::accepted(2)];
        assert_eq!(loser(own, peer, twice), Some(twice[0]));
    }
}

#[test]
fn one_link_has_no_double_nor_has_one_that_is_not_ready() {
    let (own, peer) = (PeerId([1; 16]), PeerId([2; 16]));
    let mut links = Links::default();
    with(&mut links, LinkId::dialled(1), ready(peer));
    with(&mut links, LinkId::accepted(2), ready(PeerId([3; 16])));
    let unproven = Link::new(State::Judging { pending: 1 }, Some(peer), NOW);
    with(&mut links, LinkId::accepted(3), unproven);
    assert_eq!(links.duplicate(own, peer), None);
}

#[test]
fn a_ticket_is_between_the_two_at_the_door_whichever_of_them_serves() {
    let good = |server, client| plausible(&ticket(server, client), &CHILD, true, &on(DATE));
    assert!(good(OWN, CHILD));
    assert!(good(CHILD, OWN));
    for (server, client) in [(OWN, STRANGER), (STRANGER, CHILD), (STRANGER, OWN)] {
        assert!(!good(server, client));
    }
    assert!(!good(CHILD, STRANGER));
    assert!(!good(OWN, OWN) && !good(CHILD, CHILD));
}

#[test]
fn a_ticket_opens_a_link_until_its_date_and_a_little_and_renews_one_until_its_end() {
    let long = Ticket {
        not_after: DATE.plus(900),
        ..ticket(OWN, CHILD)
    };
    let good = |establishing, after| plausible(&long, &CHILD, establishing, &on(DATE.plus(after)));
    assert!(good(true, 60 + CLOCK_SLACK));
    assert!(!good(true, 61 + CLOCK_SLACK));
    assert!(good(false, 899));
    assert!(!good(false, 900));
    assert!(!good(false, 901));
}

#[test]
fn a_hello_needs_a_ticket_and_each_of_them_has_to_be_good() {
    let hello = |tickets: Vec<Ticket>| Hello {
        key: CHILD,
        tickets: tickets.into_iter().map(signed).collect(),
        signature: Signature([0; 64]),
    };
    let good = ticket(OWN, CHILD);
    let foreign = ticket(OWN, STRANGER);
    let screened = |tickets| screen(&hello(tickets), &on(DATE));
    assert_eq!(screened(vec![good.clone()]), Ok(()));
    let refused = Err(CloseReason::Unauthorised);
    assert_eq!(screened(Vec::new()), refused);
    assert_eq!(screened(vec![good, foreign]), refused);
}
