//! Why a link carries nothing more.

use core::fmt;
use std::sync::Arc;

use runnel_protocol::units::BitsPerSecond;

use super::place::Bound;
use crate::policy::Ruling;

/// Why a link carries nothing more, in words once displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(super) link: Arc<str>,
    pub(super) bound: Bound,
    pub(super) limit: BitsPerSecond,
    pub(super) left: BitsPerSecond,
    pub(super) stripe: BitsPerSecond,
    pub(crate) ruling: Arc<Ruling>,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, left) = (&self.link, self.left.0 / 1000);
        let (limit, stripe) = (self.limit.0 / 1000, self.stripe.0 / 1000);
        match self.bound {
            Bound::Month if self.limit.0 == 0 => {
                return write!(f, "the link “{link}” has carried what it may this month");
            }
            Bound::Peak => write!(f, "the link “{link}” has {left} of {limit} kbit/s left")?,
            Bound::Mean => write!(
                f,
                "the link “{link}” has {left} of {limit} kbit/s left, which is what its mean allows \
                 at present"
            )?,
            Bound::Month => write!(
                f,
                "the link “{link}” has {left} of {limit} kbit/s left, since it has carried nearly \
                 what it may this month"
            )?,
        }
        write!(f, ", and one stripe takes {stripe}")
    }
}
