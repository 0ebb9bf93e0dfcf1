//! How this member takes part: flags, the shared secret, and the optional file with the numbers of the protocol. Owns
//! their formats, which are upstream's. What is missing in the file keeps its default.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_api::names::object;
use metallb_core::config::parse_duration;
use metallb_protocol::failover as protocol;
use metallb_protocol::memberlist::{Identity, Key, Settings, Wire};
use serde::Deserialize;

mod failover;

/// The port of memberlist.
const PORT: u16 = 7946;

/// What the command line says about membership.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// Address of the membership protocol; empty turns it off
    #[arg(long = "ml-bindaddr", env = metallb_api::names::env::ML_BIND_ADDR, default_value = "")]
    bind_address: String,
    /// Port of the membership protocol, UDP and TCP [default: 7946]
    #[arg(long = "ml-bindport", env = metallb_api::names::env::ML_BIND_PORT, default_value = "")]
    bind_port: String,
    /// Directory with the key that the speakers share
    #[arg(long = "ml-secret-key-path", env = metallb_api::names::env::ML_SECRET_KEY_PATH, default_value = "")]
    secret_key_path: String,
    /// Use timers for speakers that are far from each other
    #[arg(long = "ml-wan-config", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    wan: bool,
}

/// Everything that a member needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(super) own: Identity,
    pub(super) settings: Settings,
    pub(super) failover: protocol::Settings,
    pub(super) wire: Wire,
    /// How long an exchange over a stream may take.
    pub(super) stream_timeout: Duration,
}

/// The speaker does not start with this: it would not see the others, and announce what they announce.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A flag is not what it must be.
    #[error("--ml-bindaddr must be an IP address, not {0:?}")]
    Address(String),
    /// The same for the port.
    #[error("--ml-bindport must be a port, not {0:?}")]
    Port(String),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file of the numbers is not JSON, or a number is none.
    #[error("{path} is not a valid memberlist configuration")]
    Format {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A time is not one that Go would read, or not positive.
    #[error(
        "parsing {field} {text:?} in memberlist config file: expected a time like \"500ms\", more than nothing"
    )]
    Time { field: &'static str, text: String },
    /// A number is not one that can be.
    #[error("{field} is {given} in memberlist config file, and must be within {range}")]
    Range {
        field: &'static str,
        given: String,
        range: String,
    },
    /// Two times contradict each other. One of them may be the profile's.
    #[error(
        "{later} is {second:?} in memberlist config file, and must not be less than {sooner}, which is {first:?}"
    )]
    Order {
        sooner: &'static str,
        first: Duration,
        later: &'static str,
        second: Duration,
    },
}

impl Flags {
    /// What it takes to be a member on `node`; `None` if membership is off.
    ///
    /// # Errors
    /// A flag or a file is wrong.
    pub(crate) fn config(&self, node: &str) -> Result<Option<Config>, ConfigError> {
        if self.bind_address.is_empty() {
            return Ok(None);
        }
        let file = Path::new(object::MEMBERLIST_CONFIG_DIRECTORY).join(object::MEMBERLIST_CONFIG_FILE);
        self.config_with(node, &file).map(Some)
    }

    fn config_with(&self, node: &str, file: &Path) -> Result<Config, ConfigError> {
        let ip: IpAddr = self
            .bind_address
            .parse()
            .map_err(|_| ConfigError::Address(self.bind_address.clone()))?;
        let port = match self.bind_port.as_str() {
            "" | "0" => PORT,
            text => text.parse().map_err(|_| ConfigError::Port(text.to_owned()))?,
        };
        let key = self.key()?;
        if key.is_none() {
            tracing::warn!("the speakers share no secret: whoever reaches their port can mislead them");
        }
        let mut wire = Wire::new(key.into_iter().collect());
        wire.default_port = port;
        let mut config = Config {
            own: Identity {
                name: node.to_owned(),
                address: SocketAddr::new(ip.to_canonical(), port),
                meta: Vec::new(),
            },
            settings: if self.wan {
                Settings::wan()
            } else {
                Settings::default()
            },
            failover: protocol::Settings::default(),
            wire,
            stream_timeout: Duration::from_secs(if self.wan { 30 } else { 10 }),
        };
        if let Some(numbers) = Numbers::load(file)? {
            // It replaces the flag, as upstream has it.
            config.settings = Settings::default();
            config.stream_timeout = Duration::from_secs(10);
            numbers.apply(&mut config)?;
        }
        config.settings.datagram_budget = config.wire.room();
        Ok(config)
    }

    fn key(&self) -> Result<Option<Key>, ConfigError> {
        if self.secret_key_path.is_empty() {
            return Ok(None);
        }
        let path = Path::new(&self.secret_key_path).join(object::MEMBERLIST_SECRET_KEY);
        let secret = std::fs::read(&path).map_err(|source| ConfigError::Read { path, source })?;
        Ok(Key::from_secret(&secret))
    }
}

/// The file of the numbers. Those of Go's queues have no counterpart here and no effect.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Numbers {
    #[serde(rename = "TCPTimeout")]
    tcp_timeout: Option<String>,
    indirect_checks: Option<u16>,
    retransmit_mult: Option<u16>,
    suspicion_mult: Option<u16>,
    suspicion_max_timeout_mult: Option<u16>,
    push_pull_interval: Option<String>,
    probe_timeout: Option<String>,
    probe_interval: Option<String>,
    disable_tcp_pings: Option<bool>,
    awareness_max_multiplier: Option<u16>,
    gossip_nodes: Option<u16>,
    gossip_interval: Option<String>,
    gossip_to_the_dead_time: Option<String>,
    gossip_verify_incoming: Option<bool>,
    gossip_verify_outgoing: Option<bool>,
    enable_compression: Option<bool>,
    #[serde(rename = "UDPBufferSize")]
    udp_buffer_size: Option<u16>,
    /// Ours alone: upstream's speakers skip it.
    failover: failover::Numbers,
}

impl Numbers {
    /// `None` if there is no such file.
    fn load(path: &Path) -> Result<Option<Self>, ConfigError> {
        let path = path.to_owned();
        match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|source| ConfigError::Format { path, source }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let Config {
            settings,
            failover,
            wire,
            stream_timeout,
            ..
        } = config;
        *failover = self.failover.settings()?;
        time("TCPTimeout", self.tcp_timeout, stream_timeout)?;
        time(
            "PushPullInterval",
            self.push_pull_interval,
            &mut settings.push_pull_interval,
        )?;
        time("ProbeTimeout", self.probe_timeout, &mut settings.probe_timeout)?;
        time("ProbeInterval", self.probe_interval, &mut settings.probe_interval)?;
        time(
            "GossipInterval",
            self.gossip_interval,
            &mut settings.gossip_interval,
        )?;
        time(
            "GossipToTheDeadTime",
            self.gossip_to_the_dead_time,
            &mut settings.gossip_to_the_dead,
        )?;
        number(self.indirect_checks, &mut settings.indirect_checks);
        number(self.retransmit_mult, &mut settings.retransmit_multiplier);
        number(self.suspicion_mult, &mut settings.suspicion_multiplier);
        number(
            self.suspicion_max_timeout_mult,
            &mut settings.suspicion_max_multiplier,
        );
        number(self.awareness_max_multiplier, &mut settings.awareness_max);
        number(self.gossip_nodes, &mut settings.gossip_nodes);
        number(
            self.disable_tcp_pings.map(|disabled| !disabled),
            &mut settings.stream_pings,
        );
        number(self.gossip_verify_incoming, &mut wire.verify_incoming);
        number(self.gossip_verify_outgoing, &mut wire.verify_outgoing);
        number(self.enable_compression, &mut wire.compression);
        number(self.udp_buffer_size, &mut wire.datagram_bytes);
        Ok(())
    }
}

fn number<N, T: From<N>>(given: Option<N>, place: &mut T) {
    if let Some(given) = given {
        *place = given.into();
    }
}

fn time(field: &'static str, given: Option<String>, place: &mut Duration) -> Result<(), ConfigError> {
    if let Some(text) = given {
        *place = match parse_duration(&text) {
            Some(time) if !time.is_zero() => time,
            _ => return Err(ConfigError::Time { field, text }),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the flags and the file give together; `None` is no file.
    fn config(flags: &Flags, file: Option<&str>) -> Result<Config, String> {
        let directory =
            std::env::temp_dir().join(format!("metallb-membership-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("config.json");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let config = flags.config_with("node1", &path);
        std::fs::remove_dir_all(&directory).unwrap();
        config.map_err(|error| error.to_string())
    }

    fn at(address: &str) -> Flags {
        Flags {
            bind_address: address.into(),
            ..Flags::default()
        }
    }

    #[test]
    fn without_an_address_there_is_no_membership() {
        assert!(at("").config("node1").unwrap().is_none());
    }

    #[test]
    fn flags_say_where_and_how_far() {
        let near = config(&at("192.0.2.7"), None).unwrap();
        assert_eq!(near.own.address, "192.0.2.7:7946".parse().unwrap());
        assert_eq!(
            (
                near.settings.probe_interval.as_secs(),
                near.stream_timeout.as_secs()
            ),
            (1, 10)
        );
        let mut flags = at("2001:db8::7");
        flags.bind_port = "7000".into();
        flags.wan = true;
        let far = config(&flags, None).unwrap();
        assert_eq!(far.own.address, "[2001:db8::7]:7000".parse().unwrap());
        assert_eq!(
            (
                far.settings.probe_interval.as_secs(),
                far.stream_timeout.as_secs()
            ),
            (5, 30)
        );
        assert_eq!(far.wire.default_port, 7000);
    }

    #[test]
    fn a_wrong_flag_names_what_is_expected() {
        assert_eq!(
            config(&at("node1.example"), None).unwrap_err(),
            "--ml-bindaddr must be an IP address, not \"node1.example\""
        );
        let mut flags = at("192.0.2.7");
        flags.bind_port = "70000".into();
        assert_eq!(
            config(&flags, None).unwrap_err(),
            "--ml-bindport must be a port, not \"70000\""
        );
        let mut flags = at("192.0.2.7");
        flags.secret_key_path = "/nonexistent".into();
        assert_eq!(
            config(&flags, None).unwrap_err(),
            "cannot read /nonexistent/secretkey"
        );
    }

    #[test]
    fn what_the_file_does_not_name_keeps_its_default() {
        let file = r#"{"ProbeInterval": "200ms", "GossipNodes": 5, "DisableTcpPings": true, "UDPBufferSize": 1200,
            "EnableCompression": false, "TCPTimeout": "3s", "HandoffQueueDepth": 1024,
            "Failover": {"Profile": "fast"}}"#;
        let mut flags = at("192.0.2.7");
        flags.wan = true;
        let config = config(&flags, Some(file)).unwrap();
        let expected = Settings {
            probe_interval: Duration::from_millis(200),
            gossip_nodes: 5,
            stream_pings: false,
            datagram_budget: 1200 - 7,
            ..Settings::default()
        };
        assert_eq!(config.settings, expected);
        assert_eq!(config.failover, protocol::Settings::fast());
        assert_eq!(
            (config.stream_timeout.as_secs(), config.wire.compression),
            (3, false)
        );
        assert_eq!(
            (config.wire.verify_incoming, config.wire.verify_outgoing),
            (true, true)
        );
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_field() {
        for (file, expected) in [
            (
                r#"{"ProbeTimeout": "5"}"#,
                "parsing ProbeTimeout \"5\" in memberlist config file: ",
            ),
            (
                r#"{"GossipInterval": "0s"}"#,
                "parsing GossipInterval \"0s\" in memberlist config file: ",
            ),
            (
                r#"{"IndirectChecks": -1}"#,
                "is not a valid memberlist configuration",
            ),
            (
                r#"{"Failover": {"Watchers": 17}}"#,
                "Failover.Watchers is 17 in memberlist config file, and must be within 1 to 16",
            ),
            ("probeTimeout: 5s", "is not a valid memberlist configuration"),
        ] {
            let error = config(&at("192.0.2.7"), Some(file)).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
        }
    }
}
