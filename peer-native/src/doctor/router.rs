//! The router: whether it forwards a port, or would if it were asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Finding, State};
use crate::addresses::is_private;
use crate::mapping::{Offer, Standing};

/// How long a router may take to answer to all that it can be asked by.
const ANSWER: Duration = Duration::from_secs(30);

const PART: &str = "router";

/// What it forwards to the agent, once it has been asked.
pub(super) async fn forwards(standing: Option<watch::Receiver<Standing>>) -> Option<SocketAddr> {
    let mut standing = standing?;
    let answered = standing.wait_for(|standing| *standing != Standing::Asking);
    let answered = timeout(ANSWER, answered).await.ok()?.ok()?;
    answered.advertised()
}

/// What became of asking.
pub(super) fn mapped(standing: &Standing, reached: bool) -> Finding {
    let (state, words) = match standing {
        Standing::Mapped(mapped) if mapped.is_public() => {
            let words = format!(
                "it forwards UDP {} to this agent by {}",
                mapped.outside, mapped.by
            );
            (worth(reached), words)
        }
        Standing::Mapped(mapped) => (
            worth(reached),
            behind_another((*mapped.outside.ip()).into()),
        ),
        Standing::Refused(why) => (worth(reached), format!("it forwards no port: {why}")),
        Standing::Asking => (worth(reached), "it does not answer".to_owned()),
    };
    Finding::new(PART, state, words)
}

/// What it would do.
pub(super) fn offered(offer: Offer, reached: bool) -> Finding {
    let words = match (offer, reached) {
        (Offer::Nowhere(why), _) => why.to_string(),
        (Offer::Forwards(how, _), true) => {
            format!("it would forward a port by {how}; that is not needed, others get in")
        }
        (Offer::Forwards(_, Some(outside)), false) if is_private(outside.into()) => {
            behind_another(outside.into())
        }
        (Offer::Forwards(how, _), false) => {
            format!("your router can forward the port by itself, by {how}: start with --map-port")
        }
        (Offer::Nothing, true) => "it forwards no port by itself, which is not needed".to_owned(),
        (Offer::Nothing, false) => {
            "it answers to none of PCP, NAT-PMP and UPnP: switch one of them on in its settings and start with \
             --map-port, or forward the agent's UDP port by hand (and give it one that stays, --listen [::]:4433)"
                .to_owned()
        }
    };
    let state = match offer {
        Offer::Nowhere(_) => State::Good,
        Offer::Forwards(..) | Offer::Nothing => worth(reached),
    };
    Finding::new(PART, state, words)
}

fn worth(reached: bool) -> State {
    match reached {
        true => State::Good,
        false => State::Poor,
    }
}

fn behind_another(outside: IpAddr) -> String {
    format!(
        "its own address {outside} is private: it is behind another router, or its provider's, which would have to \
         forward the port to it as well; ask the provider for a public address, or for IPv6"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_that_would_forward_is_named_with_what_to_start_with_unless_others_get_in_already() {
        let offer = Offer::Forwards("UPnP", Some([203, 0, 113, 7].into()));
        let poor = offered(offer, false);
        assert_eq!(poor.state, State::Poor);
        assert!(poor.words.contains("start with --map-port"), "{poor}");
        let good = offered(offer, true);
        assert_eq!(good.state, State::Good);
        assert!(!good.words.contains("--map-port"), "{good}");
    }

    #[test]
    fn a_router_behind_another_one_is_told_apart() {
        let offer = Offer::Forwards("UPnP", Some([100, 64, 0, 1].into()));
        let finding = offered(offer, false);
        assert!(finding.words.contains("behind another router"), "{finding}");
        assert!(!finding.words.contains("--map-port"), "{finding}");
    }

    #[test]
    fn where_nothing_answers_both_ways_out_are_named() {
        let finding = offered(Offer::Nothing, false);
        for word in ["--map-port", "by hand"] {
            assert!(finding.words.contains(word), "{finding}");
        }
        let refused = mapped(&Standing::Refused("it is switched off".to_owned()), false);
        assert!(refused.words.contains("switched off"), "{refused}");
    }
}
