//! What the speaker reads of an EndpointSlice. Owns the rule which endpoint can serve; not which slices make a
//! Service (that is the world's index).

use std::collections::BTreeSet;

use metallb_api::NamespacedName;
use metallb_api::names;

mod object;

use object::SliceEndpoint;
pub use object::SliceObject;

/// One EndpointSlice: whose it is and where it can serve. A large cluster has tens of thousands, so that neither
/// addresses nor ports are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointFacts {
    /// The Service it belongs to; `None` for slices that belong to none.
    pub service: Option<NamespacedName>,
    /// Some endpoint can serve.
    pub serving: bool,
    /// The nodes with an endpoint that can serve.
    pub nodes: NodeNames,
}

/// Names of nodes, each once, in one piece of memory: that of most slices is shorter than a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeNames(
    /// Each with a line feed, and after [`LEAVING`] those that are left; no name has either.
    Box<str>,
);

const LEAVING: &str = " ";

impl NodeNames {
    fn of(staying: &BTreeSet<&str>, all: &BTreeSet<&str>) -> Self {
        let left = |node: &&str| if staying.contains(node) { "" } else { LEAVING };
        let text: String = all.iter().flat_map(|node| [left(node), node, "\n"]).collect();
        Self(text.into())
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0
            .lines()
            .map(|line| line.strip_prefix(LEAVING).unwrap_or(line))
    }

    /// Those on which every such endpoint is about to end.
    pub fn leaving(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(|line| line.strip_prefix(LEAVING))
    }

    /// The others.
    pub fn staying(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.starts_with(LEAVING))
    }

    /// These, and none of them is left.
    #[cfg(test)]
    pub(crate) fn all(nodes: &[&str]) -> Self {
        let nodes = nodes.iter().copied().collect();
        Self::of(&nodes, &nodes)
    }

    /// The same nodes, of which these are left.
    #[cfg(test)]
    pub(crate) fn leave(&mut self, leaving: &[&str]) {
        let all: BTreeSet<&str> = self.iter().collect();
        let staying = all
            .iter()
            .copied()
            .filter(|node| !leaving.contains(node))
            .collect();
        *self = Self::of(&staying, &all);
    }
}

impl From<SliceObject> for EndpointFacts {
    fn from(slice: SliceObject) -> Self {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(names::label::ENDPOINT_SLICE_SERVICE));
        let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
        let serving = || slice.endpoints.iter().filter(|endpoint| can_serve(endpoint));
        let mut staying = serving().filter(|endpoint| !ends(endpoint));
        Self {
            service: service.map(|service| NamespacedName::new(namespace, service)),
            serving: serving().next().is_some(),
            nodes: NodeNames::of(&nodes_of(&mut staying), &nodes_of(&mut serving())),
        }
    }
}

fn nodes_of<'a>(endpoints: &mut dyn Iterator<Item = &'a SliceEndpoint>) -> BTreeSet<&'a str> {
    endpoints
        .filter_map(|endpoint| endpoint.node_name.as_deref())
        .collect()
}

/// Whether an endpoint that can serve is terminating: the API calls none of these ready.
fn ends(endpoint: &SliceEndpoint) -> bool {
    endpoint
        .conditions
        .as_ref()
        .is_some_and(|c| c.ready == Some(false))
}

/// Ready, or terminating but still serving. Readiness that is not reported counts as ready, as the API says of
/// `EndpointConditions.ready`.
fn can_serve(endpoint: &SliceEndpoint) -> bool {
    let (ready, serving) = endpoint
        .conditions
        .as_ref()
        .map_or((None, None), |c| (c.ready, c.serving));
    ready.unwrap_or(true) || serving.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn facts(endpoints: &Value) -> EndpointFacts {
        let slice = json!({
            "metadata": { "namespace": "shop", "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "endpoints": endpoints,
        });
        EndpointFacts::from(serde_json::from_value::<SliceObject>(slice).unwrap())
    }

    #[test]
    fn an_endpoint_serves_when_ready_or_still_serving() {
        for (conditions, serves) in [
            (json!({}), true),
            (json!({ "ready": true }), true),
            (json!({ "ready": false }), false),
            (
                json!({ "ready": false, "serving": true, "terminating": true }),
                true,
            ),
            (json!({ "ready": false, "serving": false }), false),
            (json!({ "serving": false }), true),
        ] {
            let facts = facts(&json!([{ "addresses": [], "conditions": conditions, "nodeName": "node1" }]));
            assert_eq!(
                (facts.serving, facts.nodes.iter().count()),
                (serves, usize::from(serves)),
                "{conditions}"
            );
        }
    }

    #[test]
    fn nodes_are_those_of_serving_endpoints_each_once() {
        let facts = facts(&json!([
            { "addresses": [], "nodeName": "node2" },
            { "addresses": [], "nodeName": "node1" },
            { "addresses": [], "nodeName": "node2" },
            { "addresses": [], "nodeName": "node3", "conditions": { "ready": false } },
            { "addresses": [] },
        ]));
        assert_eq!(facts.service, Some(NamespacedName::new("shop", "web")));
        assert_eq!(facts.nodes.iter().collect::<Vec<_>>(), ["node1", "node2"]);
    }

    #[test]
    fn a_node_is_left_by_its_last_endpoint() {
        let ends = json!({ "ready": false, "serving": true, "terminating": true });
        let gone = json!({ "ready": false, "serving": false, "terminating": true });
        let facts = facts(&json!([
            { "addresses": [], "nodeName": "node3", "conditions": ends },
            { "addresses": [], "nodeName": "node1", "conditions": ends },
            { "addresses": [], "nodeName": "node2", "conditions": ends },
            { "addresses": [], "nodeName": "node2", "conditions": { "ready": true } },
            { "addresses": [], "nodeName": "node4", "conditions": gone },
        ]));
        assert!(facts.nodes.iter().eq(["node1", "node2", "node3"]));
        assert!(facts.nodes.leaving().eq(["node1", "node3"]));
        assert!(facts.nodes.staying().eq(["node2"]));
    }

    #[test]
    fn a_slice_without_endpoints_or_service_serves_nothing() {
        for slice in [json!({ "addressType": "IPv4" }), json!({ "endpoints": null })] {
            let slice: SliceObject = serde_json::from_value(slice).unwrap();
            assert_eq!(EndpointFacts::from(slice), EndpointFacts::default());
        }
    }
}
