//! What the speaker reads of an EndpointSlice. Owns the rule which endpoint can serve; not which slices make a
//! Service (that is the world's index).

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use metallb_api::names;

/// One EndpointSlice: whose it is and where it can serve. A large cluster has tens of thousands, so that neither
/// addresses nor ports are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointFacts {
    /// The Service it belongs to (in the slice's namespace); `None` for slices that belong to none.
    pub service: Option<String>,
    /// Some endpoint can serve.
    pub serving: bool,
    /// The nodes with an endpoint that can serve, in order, each once.
    pub nodes: Vec<String>,
}

impl From<EndpointSlice> for EndpointFacts {
    fn from(slice: EndpointSlice) -> Self {
        let service = slice
            .metadata
            .labels
            .and_then(|mut labels| labels.remove(names::label::ENDPOINT_SLICE_SERVICE));
        let mut serving = false;
        let mut nodes = Vec::new();
        for endpoint in slice.endpoints {
            if can_serve(&endpoint) {
                serving = true;
                nodes.extend(endpoint.node_name);
            }
        }
        nodes.sort_unstable();
        nodes.dedup();
        nodes.shrink_to_fit();
        Self {
            service,
            serving,
            nodes,
        }
    }
}

/// Ready, or terminating but still serving. Readiness that is not reported counts as ready, as the API says of
/// `EndpointConditions.ready`.
fn can_serve(endpoint: &Endpoint) -> bool {
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
            "metadata": { "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "endpoints": endpoints,
        });
        EndpointFacts::from(serde_json::from_value::<EndpointSlice>(slice).unwrap())
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
                (facts.serving, facts.nodes.len()),
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
        assert_eq!(facts.service.as_deref(), Some("web"));
        assert_eq!(facts.nodes, ["node1", "node2"]);
    }

    #[test]
    fn a_slice_without_endpoints_or_service_serves_nothing() {
        let slice = EndpointSlice {
            address_type: "IPv4".into(),
            ..EndpointSlice::default()
        };
        assert_eq!(EndpointFacts::from(slice), EndpointFacts::default());
    }
}
