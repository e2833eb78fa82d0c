//! The server's settings: defaults, then the file, then `RUNNEL_COORDINATOR_*`, then flags.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use runnel_coordinator_core::Content;
use runnel_protocol::segment::MAX_SUBSTREAMS;
use runnel_protocol::units::BitsPerSecond;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::feeds::FeedSettings;
use crate::origins::{self, OriginError};
use crate::proxies::ForwardedHeader;

/// Everything that can be set. Unknown keys are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address and port of all doors; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder of the store.
    pub data: PathBuf,
    /// Whether contents may name private, loopback and link-local origins.
    pub allow_private_origins: bool,
    /// Opens the operator's door from elsewhere than this machine, as `Authorization: Bearer`.
    #[serde(skip_serializing)]
    pub admin_token: Option<String>,
    /// New sessions admitted per second.
    pub admissions_per_second: u32,
    /// The same for the tokens of one provider, where keys of several are pinned; half of it where
    /// nothing is said.
    pub provider_admissions_per_second: Option<NonZeroU32>,
    /// Most sessions by the tokens of one provider, where keys of several are pinned; three quarters of
    /// all where nothing is said.
    pub provider_max_sessions: Option<usize>,
    /// Most sessions at a time.
    pub max_sessions: usize,
    /// Connections a second that one network, a /24 or /48, may make to the peers' door for long.
    pub network_connections_per_second: NonZeroU32,
    /// Connections that it may make at once.
    pub network_connections_burst: NonZeroU32,
    /// Stripes that each track is divided into, 1 to 16: an agent that is called in where uplink is short
    /// takes one of them to pass it on, and a page then has a parent for each (docs/TREES.md).
    pub stripes: u8,
    /// Distinct viewers that one agent is made known to within an hour, where its uplink allows so
    /// many: 512 to 4096 it does.
    pub agent_viewers_per_hour: usize,
    /// For how many days transfer records are kept; 0 keeps none.
    pub transfers_kept_days: u32,
    /// For how many days after they were last there it is remembered how peers did; 0 remembers
    /// nothing.
    pub history_kept_days: u32,
    /// Whether agents that say that they accept connections are tested, over UDP from this machine;
    /// else they are believed.
    pub probe: bool,
    /// Addresses of reverse proxies that hand on others' requests: whom they ask for counts as
    /// whoever comes.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say so; they must replace or append to it, whatever a client has
    /// written there.
    pub forwarded_header: ForwardedHeader,
    /// Contents that are offered from the start.
    pub content: Vec<ContentSetting>,
    /// Which addresses are in which region and network; the longest prefix decides.
    pub network: Vec<NetworkSetting>,
    /// Files that say more of addresses, and may change while the server runs.
    pub feeds: FeedSettings,
    /// A file with a policy, or a folder of them: in force from the start.
    pub policies: Option<PathBuf>,
}

/// One `[[network]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSetting {
    /// Its addresses, like `203.0.113.0/24`.
    pub cidr: IpNet,
    /// The region that they are in: its peers feed each other first.
    pub region: String,
    /// Whose network it is; several may share a name.
    #[serde(default)]
    pub name: String,
    /// The country, by its two letters, like `DE`: for policies.
    #[serde(default)]
    pub country: Option<String>,
    /// The number of its autonomous system: for policies.
    #[serde(default)]
    pub asn: Option<u32>,
    /// Groups that whoever comes from there belongs to: for policies.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// One `[[content]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentSetting {
    /// The text by which pages and waypoints name it.
    pub id: String,
    /// Whose it is.
    #[serde(default)]
    pub provider: String,
    /// Its unmodified master playlist.
    pub url: String,
    /// Other origins, like `https://media.example`, where its playlists and media lie: waypoints
    /// fetch from nowhere else. At most 16.
    #[serde(default)]
    pub media_origins: Vec<String>,
    /// What the CDN is to send of it at most, in Mbit/s, where that is limited: players are asked
    /// not to exceed the rendition that the uplinks and this carry for everybody.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub cdn_capacity_mbps: Option<NonZeroU32>,
    /// Whether pages stop where a policy denies `playback`; else they go on from the CDN, without
    /// peers.
    #[serde(default)]
    pub enforce: bool,
}

/// Most origins of a content besides its master playlist's: each stands in its waypoints'
/// certificates.
const MAX_MEDIA_ORIGINS: usize = 16;

/// Most connections of one network, a second and at once: more than any coordinator takes.
const MAX_NETWORK_CONNECTIONS: u32 = 1_000_000;

/// 1,800 behind one address, or 900 who come twice, may arrive in the same moment.
const NETWORK_BURST: NonZeroU32 = NonZeroU32::new(2000).unwrap();
/// Two fifths of the admissions, so that no network alone takes them all.
const NETWORK_RATE: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// Why settings are not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value or key is wrong; says where it comes from.
    #[error("{0}")]
    Invalid(#[from] Box<figment::Error>),
    /// The file is not there.
    #[error("there is no configuration file {0}")]
    NoFile(PathBuf),
    /// A content's URL is not allowed.
    #[error("content {id:?}: {source}")]
    Content {
        /// Which content.
        id: String,
        /// Why.
        source: OriginError,
    },
    /// A content's media lie in too many places.
    #[error("content {0:?}: at most {MAX_MEDIA_ORIGINS} media_origins")]
    Scattered(String),
    /// A content's id is not usable.
    #[error("content id {0:?}: use 1 to 200 printable characters, no comma")]
    Id(String),
    /// A country is not written as policies compare it.
    #[error("network {cidr}: country {country:?} is not two capital letters, like \"DE\"")]
    Country {
        /// Which network.
        cidr: IpNet,
        /// What is written there.
        country: String,
    },
    /// Nobody can count so fast.
    #[error("{key} = {value}: at most {MAX_NETWORK_CONNECTIONS}, which is as good as no limit")]
    Uncountable {
        /// Which setting.
        key: &'static str,
        /// What is written there.
        value: NonZeroU32,
    },
    /// No stripe, or more than peers can name.
    #[error("stripes = {0}: a track is divided into 1 to {MAX_SUBSTREAMS}")]
    Stripes(u8),
    /// An empty token would let everybody in.
    #[error("admin_token is shorter than 16 characters")]
    WeakToken,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8470)),
            data: PathBuf::from("runnel-coordinator-data"),
            allow_private_origins: false,
            admin_token: None,
            admissions_per_second: 500,
            provider_admissions_per_second: None,
            provider_max_sessions: None,
            max_sessions: 1_000_000,
            network_connections_per_second: NETWORK_RATE,
            network_connections_burst: NETWORK_BURST,
            stripes: 4,
            agent_viewers_per_hour: 4096,
            transfers_kept_days: 30,
            history_kept_days: 90,
            probe: true,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            content: Vec::new(),
            network: Vec::new(),
            feeds: FeedSettings::default(),
            policies: None,
        }
    }
}

impl Settings {
    /// Reads all layers; `flags` holds only what was given on the command line.
    ///
    /// # Errors
    /// In words that name the key and the layer it comes from.
    pub fn load(file: Option<&Path>, flags: impl Serialize) -> Result<Self, SettingsError> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(SettingsError::NoFile(path.to_owned()));
            }
            layers = layers.merge(Toml::file_exact(path));
        }
        let settings: Self = layers
            .merge(Env::prefixed("RUNNEL_COORDINATOR_").ignore(&["config_file"]))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(Box::new)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        if self
            .admin_token
            .as_ref()
            .is_some_and(|token| token.len() < 16)
        {
            return Err(SettingsError::WeakToken);
        }
        if !(1..=MAX_SUBSTREAMS).contains(&self.stripes) {
            return Err(SettingsError::Stripes(self.stripes));
        }
        self.check_network_connections()?;
        self.network.iter().try_for_each(NetworkSetting::check)?;
        self.content
            .iter()
            .try_for_each(|content| content.check(self.allow_private_origins))
    }

    fn check_network_connections(&self) -> Result<(), SettingsError> {
        let (rate, burst) = (
            self.network_connections_per_second,
            self.network_connections_burst,
        );
        for (key, value) in [
            ("network_connections_per_second", rate),
            ("network_connections_burst", burst),
        ] {
            if value.get() > MAX_NETWORK_CONNECTIONS {
                return Err(SettingsError::Uncountable { key, value });
            }
        }
        Ok(())
    }
}

impl NetworkSetting {
    fn check(&self) -> Result<(), SettingsError> {
        let is_code = |text: &&String| {
            text.len() == 2 && text.chars().all(|letter| letter.is_ascii_uppercase())
        };
        match &self.country {
            Some(country) if !is_code(&country) => Err(SettingsError::Country {
                cidr: self.cidr,
                country: country.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl ContentSetting {
    /// Refuses ids and URLs that are not usable.
    pub(crate) fn check(&self, allow_private: bool) -> Result<(), SettingsError> {
        let printable = !self
            .id
            .chars()
            .any(|letter| letter.is_control() || letter == ',');
        if self.id.is_empty() || self.id.len() > 200 || !printable {
            return Err(SettingsError::Id(self.id.clone()));
        }
        if self.media_origins.len() > MAX_MEDIA_ORIGINS {
            return Err(SettingsError::Scattered(self.id.clone()));
        }
        let refuse = |source| SettingsError::Content {
            id: self.id.clone(),
            source,
        };
        origins::check(&self.url, allow_private).map_err(refuse)?;
        self.media_origins
            .iter()
            .try_for_each(|origin| origins::check_origin(origin, allow_private))
            .map_err(refuse)
    }
}

impl From<ContentSetting> for Content {
    fn from(setting: ContentSetting) -> Self {
        Self {
            name: setting.id,
            provider: setting.provider,
            master_url: setting.url,
            media_origins: setting.media_origins,
            cdn_capacity: setting
                .cdn_capacity_mbps
                .map(|mbps| BitsPerSecond(u64::from(mbps.get()) * 1_000_000)),
            enforce: setting.enforce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, text).unwrap();
        Settings::load(
            Some(&path),
            Option::<()>::None.map_or_else(empty, |()| empty()),
        )
    }

    fn empty() -> std::collections::BTreeMap<String, String> {
        std::collections::BTreeMap::new()
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = load("lisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
        let inner = load("[[content]]\nid = \"a\"\nurl = \"https://a.example/\"\nname = \"b\"");
        assert!(inner.unwrap_err().to_string().contains("name"));
    }

    #[test]
    fn a_private_origin_needs_a_word_of_the_operator() {
        let content = "[[content]]\nid = \"live\"\nurl = \"http://127.0.0.1:9/live/master.m3u8\"\n";
        let error = load(content).unwrap_err().to_string();
        assert!(
            error.contains("live") && error.contains("allow_private_origins"),
            "{error}"
        );
        let settings = load(&format!("allow_private_origins = true\n{content}")).unwrap();
        assert_eq!(settings.content[0].id, "live");
    }

    #[test]
    fn a_limited_cdn_may_send_something() {
        let content = "[[content]]\nid = \"live\"\nurl = \"https://a.example/master.m3u8\"\n";
        let with = |mbps: &str| load(&format!("{content}cdn_capacity_mbps = {mbps}"));
        let settings = with("20000").unwrap();
        let content = Content::from(settings.content[0].clone());
        assert_eq!(content.cdn_capacity, Some(BitsPerSecond(20_000_000_000)));
        for wrong in ["0", "-1", "\"much\""] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_may_connect_as_often_as_can_be_counted() {
        for key in [
            "network_connections_per_second",
            "network_connections_burst",
        ] {
            assert!(load(&format!("{key} = 1000000")).is_ok());
            for wrong in ["0", "1000001"] {
                let error = load(&format!("{key} = {wrong}")).unwrap_err().to_string();
                assert!(error.contains(key), "{error}");
            }
        }
    }

    #[test]
    fn media_may_lie_at_other_origins_that_are_named_without_a_path() {
        let content = "[[content]]\nid = \"live\"\nurl = \"https://a.example/master.m3u8\"\n";
        let with = |origins: &str| load(&format!("{content}media_origins = {origins}"));
        let settings = with("[\"https://media.example\", \"http://b.example:8080/\"]").unwrap();
        assert_eq!(settings.content[0].media_origins.len(), 2);
        let many = format!("{:?}", vec!["https://media.example"; 17]);
        for (origins, word) in [
            ("[\"https://media.example/live/\"]", "path"),
            ("[\"http://10.0.0.7\"]", "allow_private_origins"),
            (&many, "at most 16"),
        ] {
            let error = with(origins).unwrap_err().to_string();
            assert!(error.contains("live") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_network_is_an_address_range_with_a_region() {
        let settings =
            load("[[network]]\ncidr = \"203.0.113.0/24\"\nregion = \"north\"\nname = \"alpha\"");
        assert_eq!(settings.unwrap().network[0].region, "north");
        let line = "[[network]]\ncidr = \"203.0.113.0/24\"\nregion = \"north\"\nasn = 64500\n";
        let settings = load(&format!("{line}country = \"DE\"\ngroups = [\"office\"]")).unwrap();
        assert_eq!(settings.network[0].groups, ["office"]);
        let error = load(&format!("{line}country = \"Germany\"")).unwrap_err();
        assert!(error.to_string().contains("two capital letters"), "{error}");
        let error = load("[[network]]\ncidr = \"203.0.113\"\nregion = \"north\"");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("cidr"), "{error}");
    }

    #[test]
    fn proxies_are_trusted_by_address_and_by_one_header() {
        let settings = load("trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]").unwrap();
        assert_eq!(settings.trusted_proxies.len(), 2);
        assert_eq!(settings.forwarded_header, ForwardedHeader::XForwardedFor);
        let settings = load("forwarded_header = \"forwarded\"").unwrap();
        assert_eq!(settings.forwarded_header, ForwardedHeader::Forwarded);
        for wrong in [
            "trusted_proxies = [\"nginx\"]",
            "forwarded_header = \"via\"",
            "stripes = 0",
            "stripes = 17",
        ] {
            let error = load(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong.split(' ').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn flags_go_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\nmax_sessions = 5").unwrap();
        let flags = std::collections::BTreeMap::from([("listen", "127.0.0.1:2")]);
        let settings = Settings::load(Some(&path), flags).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.max_sessions, 5);
    }
}
