//! What the announcer counts. Owns no event: who counts what is the announcer's.

/// What happened for one address since it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests and solicitations that deserved an answer.
    pub requests: u64,
    /// Answers that were sent.
    pub responses: u64,
    /// Frames of the gratuitous schedule that were sent.
    pub gratuitous: u64,
    /// Times that another station said it had the address, and had not given in more than a second later.
    pub contested: u64,
}

/// What an interface did not take, because its send queue was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Answers. They are not kept for later: who asked asks again.
    pub answers: u64,
    /// Frames of the gratuitous schedule that were put off.
    pub delayed: u64,
    /// Those that were given up, because the schedule was over.
    pub given_up: u64,
}
