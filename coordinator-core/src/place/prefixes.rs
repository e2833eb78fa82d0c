//! What is said of address ranges: of several around an address, the longest prefix counts.

use core::fmt;
use core::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

/// Something said of address ranges. A copy shares what is in it, and costs nothing.
pub struct Prefixes<T>(Arc<JointPrefixMap<IpNet, T>>);

impl<T> Prefixes<T> {
    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is said of anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said of an address.
    pub fn get(&self, address: IpAddr) -> Option<&T> {
        // Who loads no feed pays nothing for it.
        if self.is_empty() {
            return None;
        }
        let found = self.0.get_lpm(&IpNet::from(address.to_canonical()));
        found.map(|(_, said)| said)
    }

    /// All ranges with what is said of them.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        self.0.iter()
    }
}

/// Of two for the same range the later one stands. Of each address, only the bits within the range count.
impl<T> FromIterator<(IpNet, T)> for Prefixes<T> {
    fn from_iter<I: IntoIterator<Item = (IpNet, T)>>(said: I) -> Self {
        let mut map = JointPrefixMap::new();
        for (cidr, one) in said {
            map.insert(cidr.trunc(), one);
        }
        Self(Arc::new(map))
    }
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self(Arc::new(JointPrefixMap::new()))
    }
}

impl<T> Clone for Prefixes<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Prefixes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefixes({})", self.len())
    }
}
