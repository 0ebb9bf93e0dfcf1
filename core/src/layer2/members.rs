//! Which nodes run a speaker that can be expected to answer. Owns the rule for it; every speaker computes it from the
//! same objects and comes to the same result.
//!
//! A node is *serving* if the speakers that hear of one another directly take its speaker for alive; upstream's
//! speakers elect among the same nodes. One thing the API server tells sooner: that a speaker process is gone or not yet
//! at its work, as long as the node itself is Ready, so that it is its kubelet who says so. Where speakers do not hear of one another (no address to bind to, or the first
//! seconds of this process) the API server tells: a node is serving while its speaker Pod is Ready and the node itself
//! is Ready. Everything else that could still run a speaker is *doubtful*, which is the last choice and not an exclusion:
//! - a speaker that was killed is no member, or makes its Pod unready: the others take over, and it takes back when it
//!   is there again;
//! - when all speakers restart at once, none is Ready; one doubtful node is elected, as if all were well;
//! - a cluster of one node whose kubelet is not ready goes on announcing;
//! - the own node is always at least doubtful: this process runs, whatever the API says.

use std::collections::{BTreeMap, BTreeSet};

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
/// one, which is what a DaemonSet without node selector does. `alive` are the nodes whose speakers hear of one another.
/// Who is no speaker, and so has no `own` node, believes the API server: without Pods there are no speakers.
pub fn members<'a>(
    nodes: &BTreeMap<String, NodeFacts>,
    speakers: impl Iterator<Item = &'a SpeakerFacts>,
    own: Option<&str>,
    alive: Option<&BTreeSet<String>>,
) -> BTreeMap<String, Standing> {
    let mut pods: BTreeMap<&str, bool> = BTreeMap::new();
    for speaker in speakers {
        if let Some(node) = speaker.node.as_deref() {
            // During an update a node has two Pods; one that is Ready is enough.
            *pods.entry(node).or_default() |= speaker.ready;
        }
    }
    let every_node = pods.is_empty() && own.is_some();
    nodes
        .iter()
        .filter_map(|(name, node)| {
            let pod = pods.get(name.as_str());
            let heard = alive.is_some_and(|alive| alive.contains(name));
            let own = own == Some(name.as_str());
            let present = every_node || pod.is_some() || own || heard;
            let at_work = match alive {
                Some(_) => (heard || own) && (!node.ready || pod != Some(&false)),
                None => node.ready && pod.copied().unwrap_or(every_node),
            };
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
        check_with(nodes, pods, None, expected);
    }

    /// The same while these nodes' speakers hear of one another.
    fn check_with(
        nodes: &[(&str, bool)],
        pods: &[(&str, bool)],
        alive: Option<&[&str]>,
        expected: &[(&str, Standing)],
    ) {
        let alive = alive.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
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
                node: Some((*node).to_owned()),
                ready: *ready,
                ..SpeakerFacts::default()
            })
            .collect();
        let expected: BTreeMap<_, _> = expected.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        assert_eq!(
            members(&nodes, pods.iter(), Some("a"), alive.as_ref()),
            expected,
            "{nodes:?} {pods:?} {alive:?}"
        );
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
    fn speakers_that_hear_of_one_another_know_better_than_the_api() {
        let nodes = [("a", false), ("b", false), ("c", true)];
        let pods = [("a", false), ("b", true), ("c", true)];
        let alive: &[&str] = &["a", "b", "ghost"];
        check_with(
            &nodes,
            &pods,
            Some(alive),
            &[("a", Serving), ("b", Serving), ("c", Doubtful)],
        );
        // A member whose Pod is not visible is one all the same, and so is this process.
        check_with(
            &nodes,
            &[("c", true)],
            Some(&["b"]),
            &[("a", Serving), ("b", Serving), ("c", Doubtful)],
        );
        check_with(
            &nodes,
            &pods,
            Some(&[]),
            &[("a", Serving), ("b", Doubtful), ("c", Doubtful)],
        );
    }

    #[test]
    fn a_kubelet_knows_first_that_its_speaker_is_gone() {
        let (nodes, pods) = ([("a", true), ("b", true)], [("a", true), ("b", false)]);
        check_with(
            &nodes,
            &pods,
            Some(&["a", "b"]),
            &[("a", Serving), ("b", Doubtful)],
        );
    }

    #[test]
    fn a_pod_on_an_unknown_node_is_no_member() {
        check(&[("a", true)], &[("a", true), ("ghost", true)], &[("a", Serving)]);
    }
}
