//! How good the network is.

use std::time::Duration;

/// What happens to a datagram on its way. Streams are as slow and lose nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Each takes at least so long.
    pub delay: Duration,
    /// And up to so much longer, each as likely as the others: later ones overtake earlier ones.
    pub jitter: Duration,
    /// The part of them that is lost.
    pub loss: f64,
}

impl Conditions {
    /// A switch between idle machines.
    pub const LAN: Self = Self {
        delay: Duration::from_micros(200),
        jitter: Duration::from_micros(300),
        loss: 0.0,
    };
    /// What failover has to bear without a mistake.
    pub const ROUGH: Self = Self {
        delay: Duration::from_micros(200),
        jitter: Duration::from_millis(50),
        loss: 0.01,
    };
}
