//! The objects there are, for a question about one more, and for a look at all of them.
//!
//! They are listed anew each time, from etcd and not from any cache: what `kubectl apply` created a millisecond
//! ago must count when it asks about the next document of the same file, and a replica that has just started, or whose
//! watch is behind, has to give the same answer as the others. It costs one list of some ten objects for each change that
//! an administrator makes. Of two contradictory objects that are created at the very same moment both are accepted, as no
//! webhook can know of a question that another replica is answering: then the configuration's fault shows on the later
//! one, and the last good configuration stays in force.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{try_join, try_join_all};
use k8s_openapi::api::core::v1::Node;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use metallb_api::NamespacedName;
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;
use metallb_core::config::Fault;
use metallb_core::config::objects::{Kind, Object, Objects};
use metallb_runtime::log::chain;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::findings::Finding;

/// How long the lists may take. The API server waits a little longer for us, so that it gets our message and not its own.
const PATIENCE: Duration = Duration::from_secs(4);

/// The objects there are could not be listed. Nothing is decided; whoever asked may ask again.
#[derive(Debug, thiserror::Error)]
#[error("failed to get existing {kind} objects: {reason}")]
pub(crate) struct ListError {
    kind: &'static str,
    /// It is part of the text, because all of it goes to somebody at a prompt.
    reason: String,
}

/// The objects of one kind.
#[derive(Debug, Default)]
struct Decoded {
    readable: Vec<Object>,
    unreadable: Vec<Finding>,
}

/// Lists the objects of `kinds` in `namespace`, and the nodes if they are wanted.
pub(crate) async fn list(
    client: &Client,
    namespace: &str,
    kinds: &[Kind],
    nodes: bool,
) -> Result<Objects, ListError> {
    let of_kinds = try_join_all(kinds.iter().map(|kind| of_kind(client, namespace, *kind)));
    let (listed, nodes) = try_join(of_kinds, node_labels(client, nodes)).await?;
    let mut objects = Objects {
        nodes,
        ..Objects::default()
    };
    for Decoded { readable, .. } in listed {
        for object in readable {
            objects.insert(object);
        }
    }
    Ok(objects)
}

/// Lists everything for somebody who is in no hurry: one kind after the other, so that one connection is enough. Returns
/// also what does not decode.
pub(crate) async fn list_in_turn(
    client: &Client,
    namespace: &str,
) -> Result<(Objects, Vec<Finding>), ListError> {
    let mut objects = Objects::default();
    let mut findings = Vec::new();
    for kind in Kind::ALL {
        let Decoded { readable, unreadable } = of_kind(client, namespace, kind).await?;
        for object in readable {
            objects.insert(object);
        }
        findings.extend(unreadable);
    }
    // Where advertisements meet matters only if there are two. A cluster may have thousands of nodes.
    objects.nodes = node_labels(client, objects.bgp_advertisements.len() > 1).await?;
    Ok((objects, findings))
}

async fn of_kind(client: &Client, namespace: &str, kind: Kind) -> Result<Decoded, ListError> {
    let objects = match kind {
        Kind::BfdProfile => read::<BFDProfile>(client, namespace, kind, Object::BfdProfile).await,
        Kind::BgpAdvertisement => {
            read::<BGPAdvertisement>(client, namespace, kind, Object::BgpAdvertisement).await
        }
        Kind::BgpPeer => read::<BGPPeer>(client, namespace, kind, Object::BgpPeer).await,
        Kind::Community => read::<Community>(client, namespace, kind, Object::Community).await,
        Kind::IpAddressPool => read::<IPAddressPool>(client, namespace, kind, Object::IpAddressPool).await,
        Kind::L2Advertisement => {
            read::<L2Advertisement>(client, namespace, kind, Object::L2Advertisement).await
        }
    };
    objects.map_err(|reason| ListError {
        kind: kind.as_str(),
        reason,
    })
}

async fn read<K>(
    client: &Client,
    namespace: &str,
    kind: Kind,
    wrap: fn(Box<K>) -> Object,
) -> Result<Decoded, String>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let parameters = ListParams::default();
    let listed = in_time(api.list(&parameters)).await?;
    Ok(decode(listed.items, kind, wrap))
}

/// Objects that do not decode are set aside: they are not in force either, and must not keep others from being mended.
/// Whoever has stored them did so with another version of the definition.
fn decode<K>(objects: Vec<DynamicObject>, kind: Kind, wrap: fn(Box<K>) -> Object) -> Decoded
where
    K: Resource + DeserializeOwned,
{
    let mut decoded = Decoded::default();
    for object in objects {
        let (name, uid) = (NamespacedName::of(&object.metadata), object.metadata.uid.clone());
        match object.try_parse::<K>() {
            Ok(object) => decoded.readable.push(wrap(Box::new(object))),
            Err(error) => {
                let fault = Fault {
                    kind: kind.as_str(),
                    object: name,
                    message: format!("cannot be read: {}", chain(&error)),
                };
                tracing::warn!(kind = fault.kind, object = %fault.object, error = fault.message, "object left out");
                let uid = uid.unwrap_or_default();
                decoded.unreadable.push(Finding { fault, uid });
            }
        }
    }
    decoded
}

async fn node_labels(
    client: &Client,
    wanted: bool,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, ListError> {
    if !wanted {
        return Ok(BTreeMap::new());
    }
    let api: Api<Node> = Api::all(client.clone());
    // A server may answer this one from its cache: labels of nodes do not come in the same file as the configuration.
    let parameters = ListParams::default().match_any();
    let listed = in_time(api.list_metadata(&parameters)).await;
    let listed = listed.map_err(|reason| ListError { kind: "Node", reason })?;
    let labels = listed.items.into_iter().map(|node| {
        (
            node.metadata.name.unwrap_or_default(),
            node.metadata.labels.unwrap_or_default(),
        )
    });
    Ok(labels.collect())
}

async fn in_time<T>(list: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, list).await {
        Ok(listed) => listed.map_err(|error| chain(&error)),
        Err(_) => Err(format!(
            "the API server did not answer within {} s; try again",
            PATIENCE.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_decode_is_named_with_its_error_and_hides_no_other() {
        let object = |name: &str, preference: i64| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "metallb.io/v1beta1", "kind": "BGPAdvertisement",
                "metadata": { "name": name, "namespace": "metallb-system", "uid": format!("uid of {name}") },
                "spec": { "localPref": preference }
            }))
            .unwrap()
        };
        let Decoded { readable, unreadable } = decode::<BGPAdvertisement>(
            vec![object("old", -1), object("good", 1)],
            Kind::BgpAdvertisement,
            Object::BgpAdvertisement,
        );
        assert_eq!(readable.iter().map(Object::name).collect::<Vec<_>>(), ["good"]);
        let [Finding { fault, uid }] = unreadable.as_slice() else {
            panic!("{unreadable:?}")
        };
        assert_eq!(uid, "uid of old");
        let text = fault.to_string();
        assert!(
            text.starts_with("BGPAdvertisement metallb-system/old: cannot be read: ") && text.contains("-1"),
            "{text}"
        );
    }
}
