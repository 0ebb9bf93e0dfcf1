//! What the author of a MetalLB gets to hear before it is stored.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixtures::METALLB_NAMESPACE;
use crate::kubernetes::Cluster;
use crate::wait::{self, Look};

/// From a running operator to an API server that trusts it.
const LIMIT: Duration = Duration::from_mins(1);

/// What stands before the reason.
pub const REFUSES: &str = "admission webhook \"metallbvalidationwebhook.metallb.io\" denied the request: ";

/// What kubectl says to a MetalLB that the API server is to ask about, and not to keep.
///
/// # Errors
/// If it is refused. A warning is an error, too.
pub async fn asked(cluster: &Cluster, name: &str, spec: &Value) -> Result<String> {
    let object = json!({ "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "spec": spec,
        "metadata": { "name": name, "namespace": METALLB_NAMESPACE } });
    let words = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--warnings-as-errors",
        "--filename=-",
    ];
    cluster.kubectl_with_input(words, &object.to_string()).await
}

/// Waits until kubectl says this. The API server hears a moment later than we do whom it can ask.
///
/// # Errors
/// If it does not come to that.
pub async fn says(cluster: &Cluster, name: &str, spec: &Value, text: &str) -> Result<()> {
    wait::until(format!("the answer {text:?}"), LIMIT, async || {
        let said = match asked(cluster, name, spec).await {
            Ok(said) => said,
            Err(error) => format!("{error:#}"),
        };
        Ok::<_, anyhow::Error>(if said.contains(text) {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await
}
