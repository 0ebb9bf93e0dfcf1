//! What comes out of the machine besides datagrams and streams.

use super::Standing;
use crate::memberlist;

/// Something that the machine found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// About the members.
    Member(memberlist::Event),
    /// Whether we may announce has changed.
    Standing(Standing),
}

/// How often something remarkable happened. For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Members declared dead by us, with the agreement of others or, among two, without.
    pub declared: u64,
    /// Members that were silent for us and were heard by others.
    pub vouched: u64,
    /// Times that others took us for dead.
    pub deposed: u64,
    /// Times that we were not called for so long that we asked whether we still count.
    pub paused: u64,
    /// Requests to look for somebody, while too many such were open.
    pub too_many_looks: u64,
}
