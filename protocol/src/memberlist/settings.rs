//! The numbers of the protocol and who we are in it. Owns what can be tuned; never reads a file.

use std::net::SocketAddr;
use std::time::Duration;

/// Every number that can be tuned. The defaults are upstream's for one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often a member is asked whether it is there; each time the next one.
    pub probe_interval: Duration,
    /// After this long without an answer others are asked to ask.
    pub probe_timeout: Duration,
    /// How many others.
    pub indirect_checks: usize,
    /// Whether a member that does not answer datagrams is asked over a stream, too.
    pub stream_pings: bool,
    /// News is sent this many times the logarithm of the number of members.
    pub retransmit_multiplier: u32,
    /// A suspected member has this many probe intervals, times the logarithm of the number of members, to object.
    pub suspicion_multiplier: u32,
    /// And at most this many times as long while nobody else suspects it.
    pub suspicion_max_multiplier: u32,
    /// One less than the factor by which a member that doubts itself slows its probes at most.
    pub awareness_max: u32,
    /// How often news is sent without another reason to send.
    pub gossip_interval: Duration,
    /// To how many members each time.
    pub gossip_nodes: usize,
    /// For how long a dead member is still sent news, so that it can object. Afterwards it is forgotten.
    pub gossip_to_the_dead: Duration,
    /// How often everything is exchanged with one member; less often among more than 32.
    pub push_pull_interval: Duration,
    /// After this long a dead member's name may come back with another address. Without it, only once the dead one is
    /// forgotten, as with upstream.
    pub dead_node_reclaim: Option<Duration>,
    /// What the messages of one datagram may take, each with the two bytes of its length. What the codec puts around
    /// them is already subtracted.
    pub datagram_budget: usize,
    /// More members than these are not taken up. Kubernetes ends at 5,000 nodes.
    pub most_members: usize,
    /// A tick that comes later than this was held up by our own process or machine, and nobody else is to blame for
    /// what was not heard meanwhile.
    pub late_tick: Duration,
}

/// What fits into an Ethernet frame besides compression, check sum and the older encryption: upstream's 1,400 less 52.
const DATAGRAM_BUDGET: usize = 1348;

impl Default for Settings {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_checks: 3,
            stream_pings: true,
            retransmit_multiplier: 4,
            suspicion_multiplier: 4,
            suspicion_max_multiplier: 6,
            awareness_max: 8,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_the_dead: Duration::from_secs(30),
            push_pull_interval: Duration::from_secs(30),
            dead_node_reclaim: None,
            datagram_budget: DATAGRAM_BUDGET,
            most_members: 5_000,
            late_tick: Duration::from_millis(250),
        }
    }
}

impl Settings {
    /// Upstream's numbers for members that are far from each other.
    pub fn wan() -> Self {
        Self {
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            suspicion_multiplier: 6,
            gossip_interval: Duration::from_millis(500),
            gossip_nodes: 4,
            gossip_to_the_dead: Duration::from_mins(1),
            push_pull_interval: Duration::from_mins(1),
            ..Self::default()
        }
    }

    /// How long a suspected member has among `members`, if enough others suspect it.
    pub(super) fn suspicion_min(&self, members: usize) -> Duration {
        let members = u32::try_from(members).unwrap_or(u32::MAX).max(1);
        let scale = f64::from(members).log10().max(1.0);
        (self.probe_interval * self.suspicion_multiplier).mul_f64(scale)
    }

    /// How often a piece of news is sent among `members`.
    pub(super) fn retransmit_limit(&self, members: usize) -> u32 {
        let digits = members.checked_ilog10().map_or(0, |log| log + 1);
        self.retransmit_multiplier * digits
    }

    /// How often everything is exchanged among `members`: each doubling above 32 adds one interval.
    pub(super) fn push_pull_every(&self, members: usize) -> Duration {
        let doublings = (0..=u32::BITS).find(|doubling| 32_usize << doubling >= members);
        self.push_pull_interval * (doublings.unwrap_or(0) + 1)
    }
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique among the members: the name of the Kubernetes node.
    pub name: String,
    /// Where others reach us, by datagram and by stream.
    pub address: SocketAddr,
    /// What we say of ourselves, [`MOST_META`] bytes at most.
    pub meta: Vec<u8>,
}

/// The longest that a member may say of itself, in bytes.
pub const MOST_META: usize = 512;

/// The longest name, in bytes: that of a Kubernetes node is a DNS name.
pub(super) const MOST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_grow_with_the_members_as_upstreams_do() {
        let settings = Settings::default();
        for (members, suspicion_ms, retransmits, push_pull_s) in [
            (1, 4_000, 4, 30),
            (3, 4_000, 4, 30),
            (9, 4_000, 4, 30),
            (10, 4_000, 8, 30),
            (32, 6_020, 8, 30),
            (33, 6_074, 8, 60),
            (65, 7_251, 8, 90),
            (100, 8_000, 12, 90),
            (1_000, 12_000, 16, 180),
        ] {
            let suspicion = settings.suspicion_min(members).as_millis();
            assert_eq!(suspicion, suspicion_ms, "{members} members");
            assert_eq!(
                settings.retransmit_limit(members),
                retransmits,
                "{members} members"
            );
            let push_pull = settings.push_pull_every(members).as_secs();
            assert_eq!(push_pull, push_pull_s, "{members} members");
        }
    }
}
