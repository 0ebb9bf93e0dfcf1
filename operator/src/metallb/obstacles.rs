//! What keeps the pods of a workload from running, in words: an image that cannot be pulled, no node that can run them, a
//! program that ends again and again, or a quota, policy or missing constraint that refuses them. Owns the judgement; it
//! is pure. What is judged is read by `find`.

mod find;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

pub use find::find;

/// How long a pod may be without a node before that is said to be wrong. While pods are replaced it is normal for a
/// moment: the former one has the ports of the node until it is gone.
const UNSCHEDULED_GRACE: SignedDuration = SignedDuration::from_secs(10);
/// How often a program has to have ended before that is said: once may be the API server that was away.
const RESTARTS_TOLD: i32 = 2;
/// How old an Event may be that tells why pods were not made. Kubernetes tries again within this time, and tells it again.
const EVENT_AGE_MAX: SignedDuration = SignedDuration::from_mins(20);
/// The log of a registry's answer can be pages long.
const CAUSE_CHARACTERS_MAX: usize = 300;

/// What is known of the pods of a workload that are not all ready.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Its pods
    pub pods: Vec<Pod>,
    /// What Kubernetes has told about making them
    pub events: Vec<Event>,
}

/// Why not all pods run, if that is known.
pub fn cause(evidence: &Evidence, now: Timestamp) -> Option<String> {
    of_pods(&evidence.pods, now).or_else(|| not_made(&evidence.events, now))
}

/// The first pod, by name, that somebody has to do something about, and how many others there are.
fn of_pods(pods: &[Pod], now: Timestamp) -> Option<String> {
    let mut wrong: Vec<(String, String)> = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| Some((place(pod), of_pod(pod, now)?)))
        .collect();
    wrong.sort();
    let (place, cause) = wrong.first()?;
    let others = match wrong.len() - 1 {
        0 => String::new(),
        1 => "; another pod does not run either".to_owned(),
        more => format!("; {more} other pods do not run either"),
    };
    Some(format!("{place}: {cause}{others}"))
}

fn place(pod: &Pod) -> String {
    let name = pod.name_any();
    match pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
        Some(node) => format!("pod {name} on node {node}"),
        None => format!("pod {name}"),
    }
}

fn of_pod(pod: &Pod, now: Timestamp) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    containers.flatten().find_map(of_container).or_else(|| {
        let mut conditions = status.conditions.iter().flatten();
        let unscheduled = conditions.find(|one| {
            one.type_ == "PodScheduled"
                && one.status == "False"
                && one.reason.as_deref() == Some("Unschedulable")
        })?;
        let since = unscheduled.last_transition_time.as_ref()?.0;
        let message = unscheduled.message.as_deref().unwrap_or_default();
        (now.duration_since(since) >= UNSCHEDULED_GRACE)
            .then(|| format!("no node can run it: {}", brief(message)))
    })
}

fn of_container(container: &ContainerStatus) -> Option<String> {
    let ContainerState { waiting, .. } = container.state.clone().unwrap_or_default();
    let waiting = waiting.unwrap_or_default();
    let message = waiting.message.unwrap_or_default();
    match waiting.reason.as_deref() {
        Some(
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed",
        ) => {
            let cause = brief(cause_of_pull(&message));
            Some(format!("image {} cannot be pulled: {cause}", container.image))
        }
        Some(
            reason @ ("CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PostStartHookError"),
        ) => Some(format!(
            "container {} cannot be started: {reason}: {}",
            container.name,
            brief(&message)
        )),
        _ => ends_again(container),
    }
}

/// While one waits for the next attempt, the kubelet puts words around the cause, and takes them away again for the attempt:
/// the state would be another one every few seconds.
fn cause_of_pull(message: &str) -> &str {
    let message = message
        .rsplit_once("ErrImagePull: ")
        .map_or(message, |(_, cause)| cause);
    if message.is_empty() {
        "no reason given"
    } else {
        message
    }
}

/// Without the number of times, which grows.
fn ends_again(container: &ContainerStatus) -> Option<String> {
    let last = container.last_state.as_ref()?.terminated.as_ref()?;
    (container.restart_count >= RESTARTS_TOLD && !container.ready).then(|| {
        let reason = last.reason.as_deref().unwrap_or("no reason given");
        format!(
            "container {} ends again and again, last with exit code {} ({reason}), `kubectl logs --previous` says why",
            container.name, last.exit_code
        )
    })
}

/// What refuses pods before they are there, by the Event that Kubernetes writes about that.
fn not_made(events: &[Event], now: Timestamp) -> Option<String> {
    let at = |event: &Event| {
        let latest = event
            .series
            .as_ref()
            .and_then(|series| series.last_observed_time.as_ref());
        let latest = latest.or(event.event_time.as_ref()).map(|time| time.0);
        event.last_timestamp.as_ref().map(|time| time.0).or(latest)
    };
    let (when, event) = events
        .iter()
        .filter_map(|event| Some((at(event)?, event)))
        .max_by_key(|(when, _)| *when)?;
    (now.duration_since(when) <= EVENT_AGE_MAX)
        .then(|| event.message.as_deref().map(brief))
        .flatten()
}

/// One line of it.
fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CAUSE_CHARACTERS_MAX {
        return line;
    }
    line.chars()
        .take(CAUSE_CHARACTERS_MAX)
        .chain("...".chars())
        .collect()
}

#[cfg(test)]
mod tests;
