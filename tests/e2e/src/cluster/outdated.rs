//! Pods that run an older image than the one of that name on their node: a kubelet looks at names only.
//!
//! Owns: ending them, for whoever made them to make them anew.
//! Never: touches a pod that nobody would make again.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, ResourceExt};
use metallb_images::Identity;

use crate::wait::{self, Look};

/// Pods end within their grace period of 30 seconds, and new ones are ready a few seconds later.
const REPLACE_LIMIT: Duration = Duration::from_secs(90);

/// Replaces every pod that runs an older image than these, waits until the new ones are ready, and returns how many
/// there were.
///
/// # Errors
/// If the new ones do not become ready.
pub async fn replace(client: &Client, images: &[Identity]) -> Result<usize> {
    let all: Api<Pod> = Api::all(client.clone());
    let pods = all.list(&ListParams::default()).await?.items;
    let outdated: Vec<_> = pods.iter().filter(|pod| is_outdated(pod, images)).collect();
    for pod in &outdated {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let deleted = Api::<Pod>::namespaced(client.clone(), &namespace)
            .delete(&name, &DeleteParams::default())
            .await;
        match deleted {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => {
                other.with_context(|| format!("cannot end {namespace}/{name}, which runs an older image"))?;
            }
        }
    }
    if !outdated.is_empty() {
        wait::until("pods that run the loaded images", REPLACE_LIMIT, async || {
            let pods = all.list(&ListParams::default()).await?.items;
            let late: Vec<_> = pods
                .iter()
                .filter(|pod| is_late(pod, images))
                .map(ResourceExt::name_any)
                .collect();
            Ok::<_, kube::Error>(if late.is_empty() {
                Look::Done(())
            } else {
                Look::NotYet(format!("not ready: {}", late.join(", ")))
            })
        })
        .await?;
    }
    Ok(outdated.len())
}

fn is_outdated(pod: &Pod, images: &[Identity]) -> bool {
    let made_by_another = pod
        .metadata
        .owner_references
        .as_ref()
        .is_some_and(|owners| !owners.is_empty());
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let older = |name: &str, running: &str| {
        let loaded = images.iter().find(|image| image.reference == name);
        loaded.is_some_and(|image| !running.is_empty() && !running.ends_with(&image.id))
    };
    made_by_another
        && statuses
            .into_iter()
            .flatten()
            .any(|status| older(image_of(pod, &status.name), &status.image_id))
}

/// The name as the pod asks for it; that in the status may be another name of the same image.
fn image_of<'a>(pod: &'a Pod, container: &str) -> &'a str {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let found = containers
        .filter(|found| found.name == container)
        .find_map(|found| found.image.as_deref());
    found.unwrap_or_default()
}

fn is_late(pod: &Pod, images: &[Identity]) -> bool {
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let concerned = containers.any(|container| {
        images
            .iter()
            .any(|image| Some(&image.reference) == container.image.as_ref())
    });
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    concerned && (!ready || is_outdated(pod, images))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_outdated_if_its_image_of_that_name_is_another_one() {
        let images = [Identity {
            reference: "a/b:1".to_owned(),
            id: "sha256:new".to_owned(),
        }];
        for (owned, image, id, expected) in [
            (true, "a/b:1", "sha256:old", true),
            (true, "a/b:1", "a/b@sha256:old", true),
            (true, "a/b:1", "sha256:new", false),
            (true, "a/b:1", "", false),
            (true, "a/c:1", "sha256:old", false),
            (false, "a/b:1", "sha256:old", false),
        ] {
            let owners = [json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "x", "uid": "1"})];
            let pod = json!({
                "metadata": {"name": "x", "ownerReferences": owners[usize::from(!owned)..]},
                "spec": {"containers": [{"name": "c", "image": image}]},
                "status": {"containerStatuses": [
                    {"name": "c", "image": "other/name:2", "imageID": id, "ready": true, "restartCount": 0},
                ]},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(is_outdated(&pod, &images), expected, "{owned} {image} {id}");
        }
    }
}
