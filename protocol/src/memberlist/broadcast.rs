//! News that is sent along with everything else, a limited number of times.
//!
//! Owns the order: what was sent least first, of that the largest that fits, of that the newest. News about a member
//! replaces older news about it, so that there is one piece for each member at most.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::message::Message;
use super::size::{self, LEAST_NEWS, LENGTH_PREFIX, MOST_MESSAGES};

/// How often it was sent, its size, and its age.
type Rank = (u32, Reverse<usize>, Reverse<u64>);

/// The queue. Bounded by the number of members: nobody else is news.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    ranks: BTreeMap<String, Rank>,
    /// The same by rank.
    queue: BTreeMap<Rank, (String, Message)>,
    issued: u64,
}

impl Broadcasts {
    /// From now on `message` is the news about `node`.
    pub(super) fn put(&mut self, node: &str, message: Message) {
        self.forget(node);
        self.issued += 1;
        let rank = (0, Reverse(size::at_most(&message)), Reverse(self.issued));
        self.ranks.insert(node.to_owned(), rank);
        self.queue.insert(rank, (node.to_owned(), message));
    }

    /// Whether there is no news.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there is news about `node` that was not sent often enough yet.
    pub(super) fn contains(&self, node: &str) -> bool {
        self.ranks.contains_key(node)
    }

    pub(super) fn forget(&mut self, node: &str) {
        if let Some(rank) = self.ranks.remove(node) {
            self.queue.remove(&rank);
        }
    }

    /// Adds to `messages` what fits into `free` bytes. Each piece is sent `limit` times in all.
    pub(super) fn fill(&mut self, messages: &mut Vec<Message>, mut free: usize, limit: u32) {
        let mut chosen: BTreeSet<Rank> = BTreeSet::new();
        for rank in self.queue.keys() {
            if free < LEAST_NEWS || messages.len() + chosen.len() >= MOST_MESSAGES {
                break;
            }
            let cost = rank.1.0 + LENGTH_PREFIX;
            if cost <= free {
                free -= cost;
                chosen.insert(*rank);
            }
        }
        for rank in chosen {
            let Some((node, message)) = self.queue.remove(&rank) else {
                continue;
            };
            let sent = rank.0 + 1;
            if sent >= limit {
                self.ranks.remove(&node);
                messages.push(message);
            } else {
                let rank = (sent, rank.1, rank.2);
                messages.push(message.clone());
                self.ranks.insert(node.clone(), rank);
                self.queue.insert(rank, (node, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memberlist::Dead;

    fn news(node: &str) -> Message {
        Message::Dead(Dead {
            incarnation: 1,
            node: node.to_owned(),
            from: "x".to_owned(),
        })
    }

    fn sent(broadcasts: &mut Broadcasts, free: usize, limit: u32) -> Vec<String> {
        let mut messages = Vec::new();
        broadcasts.fill(&mut messages, free, limit);
        let node = |message| match message {
            Message::Dead(Dead { node, .. }) => node,
            other => unreachable!("{other:?}"),
        };
        messages.into_iter().map(node).collect()
    }

    #[test]
    fn each_piece_is_sent_as_often_as_the_limit_says() {
        let mut broadcasts = Broadcasts::default();
        broadcasts.put("a", news("a"));
        let times = (0..9)
            .filter(|_| !sent(&mut broadcasts, 1_000, 4).is_empty())
            .count();
        assert_eq!(times, 4);
        assert!(!broadcasts.contains("a"));
    }

    #[test]
    fn what_was_sent_least_goes_first_then_the_longest_that_fits() {
        let mut broadcasts = Broadcasts::default();
        broadcasts.put("old", news("old"));
        let one = size::at_most(&news("longest")) + LENGTH_PREFIX;
        assert_eq!(sent(&mut broadcasts, one, 9), ["old"]);
        broadcasts.put("b", news("b"));
        broadcasts.put("longest", news("longest"));
        assert_eq!(sent(&mut broadcasts, one, 9), ["longest"]);
        assert_eq!(sent(&mut broadcasts, one, 9), ["b"]);
        assert_eq!(sent(&mut broadcasts, 3 * one, 9).len(), 3);
    }

    #[test]
    fn news_about_a_member_replaces_older_news_about_it() {
        let mut broadcasts = Broadcasts::default();
        broadcasts.put("a", news("a"));
        sent(&mut broadcasts, 1_000, 2);
        broadcasts.put("a", news("a"));
        assert_eq!(sent(&mut broadcasts, 1_000, 2).len(), 1);
        assert_eq!(sent(&mut broadcasts, 1_000, 2).len(), 1);
        assert_eq!(sent(&mut broadcasts, 1_000, 2).len(), 0);
    }
}
