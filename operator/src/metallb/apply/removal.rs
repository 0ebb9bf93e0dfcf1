//! Deleting what the operator made: exactly the object that was found, and never somebody else's.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Api, DeleteParams, Preconditions};
use metallb_api::names::label;
use serde::de::DeserializeOwned;

use super::Error;
use crate::platform;

/// Deletes the object that was found, and not another that took its name meanwhile. Whether it was still there.
pub(super) async fn delete<K>(api: &Api<K>, name: &str, found: &ObjectMeta) -> kube::Result<bool>
where
    K: Clone + DeserializeOwned + Debug,
{
    let preconditions = Preconditions {
        uid: found.uid.clone(),
        resource_version: None,
    };
    match api
        .delete(name, &DeleteParams::background().preconditions(preconditions))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes an object in no namespace, which the MetalLB cannot own, when there is no MetalLB in `namespace` any more. One
/// of that name that an operator did not make, or that of another namespace did, stays, and a cluster without such a kind
/// has no such object.
pub(super) async fn withdraw<K>(
    api: &Api<K>,
    kind: &'static str,
    (name, namespace): (&str, &str),
) -> Result<(), Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let failed = |source| Error::Prune { kind, source };
    let live = match api.get_metadata(name).await {
        Ok(live) => live,
        Err(error) if platform::is_absent(&error) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if is_ours(&live.metadata, namespace) && delete(api, name, &live.metadata).await.map_err(failed)? {
        tracing::info!(kind, name, "deleted, there is no MetalLB");
    }
    Ok(())
}

/// Whether an operator in `namespace` made it: that namespace owns it.
fn is_ours(metadata: &ObjectMeta, namespace: &str) -> bool {
    let labels = metadata.labels.as_ref();
    let maker = labels.and_then(|labels| labels.get(label::MANAGED_BY));
    let owners = metadata.owner_references.iter().flatten();
    maker.is_some_and(|maker| maker == label::METALLB_OPERATOR)
        && (owners.filter(|owner| owner.kind == "Namespace")).all(|owner| owner.name == namespace)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use kube::Client;
    use kube::api::DynamicObject;
    use kube::client::Body;
    use serde_json::json;
    use tower::service_fn;

    use super::*;
    use crate::platform::CONSTRAINTS;

    #[tokio::test]
    async fn what_the_cluster_has_no_kind_for_is_gone() {
        let none = service_fn(|_| async {
            let answer = Response::builder()
                .status(404)
                .body(Body::from(b"404 page not found\n".to_vec()));
            Ok::<_, Infallible>(answer.unwrap())
        });
        let api: Api<DynamicObject> = Api::all_with(Client::new(none, "lb"), &CONSTRAINTS.resource());
        withdraw(&api, CONSTRAINTS.name, ("metallb-speaker", "lb"))
            .await
            .unwrap();
    }

    #[test]
    fn what_others_made_stays() {
        let operator = json!({ (label::MANAGED_BY): label::METALLB_OPERATOR });
        let namespace =
            |name: &str| json!([{ "apiVersion": "v1", "kind": "Namespace", "name": name, "uid": "1" }]);
        for (labels, owners, ours) in [
            (operator.clone(), namespace("lb"), true),
            (operator.clone(), json!([]), true),
            (operator.clone(), namespace("other"), false),
            (json!({}), namespace("lb"), false),
            (json!({ (label::MANAGED_BY): label::HELM }), json!([]), false),
        ] {
            let metadata = json!({ "labels": labels, "ownerReferences": owners });
            let parsed: ObjectMeta = serde_json::from_value(metadata.clone()).unwrap();
            assert_eq!(is_ours(&parsed, "lb"), ours, "{metadata}");
        }
    }
}
