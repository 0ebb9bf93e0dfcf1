//! The numbers of failover. Owns two profiles and what follows from their numbers; never reads a file.

use std::time::Duration;

/// Every number that can be tuned. All members of a cluster should have the same: one with a longer beat is given as much
/// more time, but members with other thresholds than ours judge by theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often a member tells its watchers that it is there.
    pub beat_interval: Duration,
    /// How many watch it, and whom it watches. More find a dead one no sooner, but two or three of them may be dead, too.
    pub watchers: usize,
    /// The first of its watchers is told at each beat, the others, who are there in case the first is dead, too, at each so
    /// many-th. One means at each.
    pub others_every: usize,
    /// How many more are asked, who do not watch it.
    pub third_nodes: usize,
    /// After so much silence its watcher asks a member for a sign of life.
    pub nudge_after: Duration,
    /// And again so often.
    pub nudge_every: Duration,
    /// After so much silence its watcher asks the other watchers and the third nodes.
    pub ask_after: Duration,
    /// For how long somebody who was asked looks for a sign of life.
    pub look_for: Duration,
    /// Not before so much silence a member is declared dead, or confirmed to be. A process that is stopped for one beat
    /// less than this is left alone.
    pub declare_after: Duration,
    /// Where only two members are left there is nobody to ask: so much silence is enough.
    pub declare_unconfirmed_after: Duration,
    /// After so much silence without a confirmation a dead member is left to the memberlist protocol.
    pub give_up_after: Duration,
    /// How often a member that was declared dead is told so, in case it is only cut off: for at most so long two may
    /// announce one address after they can hear each other again.
    pub knock_every: Duration,
    /// A tick that comes later was held up by our own process or machine.
    pub late_tick: Duration,
    /// How long a member that starts, or was stopped, waits for others to tell whether they reckon with it. Nobody
    /// answering means that nobody can.
    pub ask_others_for: Duration,
    /// As above, of a process that has just started: it takes longer to find the others.
    pub join_for: Duration,
    /// Datagrams that one member sends at one moment to spread news. Each who gets one sends as many.
    pub burst: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            beat_interval: Duration::from_millis(65),
            watchers: 3,
            others_every: 2,
            third_nodes: 3,
            nudge_after: Duration::from_millis(105),
            nudge_every: Duration::from_millis(17),
            ask_after: Duration::from_millis(130),
            look_for: Duration::from_millis(50),
            declare_after: Duration::from_millis(180),
            declare_unconfirmed_after: Duration::from_millis(600),
            give_up_after: Duration::from_millis(1_500),
            knock_every: Duration::from_millis(250),
            late_tick: Duration::from_millis(20),
            ask_others_for: Duration::from_millis(300),
            join_for: Duration::from_secs(3),
            burst: 64,
        }
    }
}

impl Settings {
    /// More than twice as fast, for networks that lose nothing and nodes that are not overloaded.
    pub fn fast() -> Self {
        Self {
            beat_interval: Duration::from_millis(25),
            nudge_after: Duration::from_millis(38),
            nudge_every: Duration::from_millis(8),
            ask_after: Duration::from_millis(50),
            look_for: Duration::from_millis(22),
            declare_after: Duration::from_millis(72),
            declare_unconfirmed_after: Duration::from_millis(300),
            late_tick: Duration::from_millis(12),
            ..Self::default()
        }
    }

    /// Who hears nobody for so long is deaf, or alone.
    pub(super) fn deaf_after(&self) -> Duration {
        self.declare_after * 2
    }

    /// How long after its beat to another one the watcher of this place is told by a member that beats so often.
    pub(super) fn rest(&self, place: usize, beat_interval: Duration) -> Duration {
        match place {
            0 => Duration::ZERO,
            _ => beat_interval * u32::try_from(self.others_every.saturating_sub(1)).unwrap_or(u32::MAX),
        }
    }

    /// How many times more patience a member with another beat needs.
    pub(super) fn patience(&self, beat_interval: Duration) -> u32 {
        let ours = self.beat_interval.as_millis().max(1);
        let times = beat_interval.as_millis().div_ceil(ours);
        // At most a beat every second or so: else anybody could say that it must never be missed.
        u32::try_from(times.clamp(1, 20)).unwrap_or(1)
    }
}

/// What a capable member says of itself, so that others expect its beats: that it sends them, and how often.
pub fn meta(settings: &Settings) -> Vec<u8> {
    let millis = u16::try_from(settings.beat_interval.as_millis()).unwrap_or(u16::MAX);
    let [high, low] = millis.to_be_bytes();
    vec![CAPABLE, high, low]
}

/// How often a member with this meta beats. None for upstream's, who say nothing.
pub(super) fn beat_interval(meta: &[u8]) -> Option<Duration> {
    match meta {
        [CAPABLE, high, low, ..] => Some(Duration::from_millis(u16::from_be_bytes([*high, *low]).into())),
        _ => None,
    }
}

/// The first byte of the meta. Later versions append to it.
const CAPABLE: u8 = 1;
