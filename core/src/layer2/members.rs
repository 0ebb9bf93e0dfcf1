//! Which nodes run a speaker that can be expected to answer. Owns the rule for it; every speaker computes it from the
//! same objects and comes to the same result.
//!
//! Until speakers hear of one another directly, the API server tells them: a node is *serving* while its speaker Pod
//! is Ready and the node itself is Ready. Everything else that could still run a speaker is *doubtful*, which is the
//! last choice and not an exclusion:
//! - a speaker that was killed makes its Pod unready: the others take over, and it takes back when Ready again. It
//!   sees its own state through the same API as they do, so that both sides switch at the same time;
//! - when all speakers restart at once, none is Ready; one doubtful node is elected, as if all were well;
//! - a cluster of one node whose kubelet is not ready goes on announcing;
//! - the own node is always at least doubtful: this process runs, whatever the API says.
//!
//! The failure detector of the speakers themselves replaces this: it will hand the same map to the election, with
//! `Serving` for its alive members, within milliseconds of a failure instead of the kubelet's seconds.

use std::collections::BTreeMap;

use crate::facts::{NodeFacts, SpeakerFacts};

/// How surely a node can answer. The order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its speaker is at work.
    Serving,
    /// Its speaker may run: chosen only if no serving node is eligible.
    Doubtful,
}

/// The nodes that run a speaker, as `own` sees them.
///
/// If no speaker's Pod is visible (another label selector, no permission to list Pods), every node is taken to run
/// one, which is what a DaemonSet without node selector does.
pub fn members<'a>(
    nodes: &BTreeMap<String, NodeFacts>,
    speakers: impl Iterator<Item = &'a SpeakerFacts>,
    own: &str,
) -> BTreeMap<String, Standing> {
    let mut pods: BTreeMap<&str, bool> = BTreeMap::new();
    for speaker in speakers {
        if let Some(node) = speaker.node.as_deref() {
            // During an update a node has two Pods; one that is Ready is enough.
            *pods.entry(node).or_default() |= speaker.ready;
        }
    }
    let every_node = pods.is_empty();
    nodes
        .iter()
        .filter_map(|(name, node)| {
            let pod = pods.get(name.as_str());
            let present = every_node || pod.is_some() || name == own;
            let at_work = node.ready && pod.copied().unwrap_or(every_node);
            present.then(|| {
                (
                    name.clone(),
                    if at_work {
                        Standing::Serving
                    } else {
                        Standing::Doubtful
                    },
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use Standing::{Doubtful, Serving};

    use super::*;

    /// Nodes as (name, ready), Pods as (node, ready), and what node `a` makes of them.
    fn check(nodes: &[(&str, bool)], pods: &[(&str, bool)], expected: &[(&str, Standing)]) {
        let nodes: BTreeMap<_, _> = nodes
            .iter()
            .map(|(name, ready)| {
                (
                    (*name).to_owned(),
                    NodeFacts {
                        ready: *ready,
                        ..NodeFacts::default()
                    },
                )
            })
            .collect();
        let pods: Vec<_> = pods
            .iter()
            .map(|(node, ready)| SpeakerFacts {
                uid: String::new(),
                node: Some((*node).to_owned()),
                ready: *ready,
            })
            .collect();
        let expected: BTreeMap<_, _> = expected.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        assert_eq!(members(&nodes, pods.iter(), "a"), expected, "{nodes:?} {pods:?}");
    }

    #[test]
    fn a_node_serves_while_its_pod_and_itself_are_ready() {
        let nodes = [("a", true), ("b", true), ("c", false), ("d", true)];
        let pods = [("a", true), ("b", false), ("c", true)];
        check(&nodes, &pods, &[("a", Serving), ("b", Doubtful), ("c", Doubtful)]);
    }

    #[test]
    fn the_own_node_counts_even_without_a_pod() {
        check(
            &[("a", true), ("b", true)],
            &[("b", true)],
            &[("a", Doubtful), ("b", Serving)],
        );
    }

    #[test]
    fn without_visible_pods_every_node_counts() {
        check(
            &[("a", true), ("b", false)],
            &[],
            &[("a", Serving), ("b", Doubtful)],
        );
    }

    #[test]
    fn one_ready_pod_of_two_is_enough() {
        check(&[("a", true)], &[("a", false), ("a", true)], &[("a", Serving)]);
    }

    #[test]
    fn a_pod_on_an_unknown_node_is_no_member() {
        check(&[("a", true)], &[("a", true), ("ghost", true)], &[("a", Serving)]);
    }
}
