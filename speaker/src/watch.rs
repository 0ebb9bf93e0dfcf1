//! Which objects the speaker watches, and what it keeps of each. Owns the list of kinds and their filters.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client};
use metallb_core::facts::{ServiceObject, SliceObject};
use metallb_core::world::read::{bgp_advertisement, l2_advertisement, pool};
use metallb_core::world::{Claim, Input};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn, spawn_guarded};
use tokio::sync::mpsc::Sender;

/// Where and what to watch.
pub(crate) struct Sources {
    pub(crate) client: Client,
    /// The namespace of the configuration and of the speakers.
    pub(crate) namespace: String,
    /// The label selector of the speakers' Pods.
    pub(crate) speaker_labels: String,
}

/// Starts all watches.
pub(crate) fn spawn_all(tasks: &mut Tasks, sources: Sources, inputs: Sender<Input>) {
    let Sources {
        client,
        namespace,
        speaker_labels,
    } = sources;
    // The API server leaves out the other types, of which there are usually many more. A Service that stops being a
    // load balancer is seen as deleted.
    let balanced = config().fields("spec.type=LoadBalancer");
    let all = Api::all(client.clone());
    spawn::<ServiceObject, Claim, _>(tasks, all, balanced, Claim::from, inputs.clone(), Input::Service);
    let all = Api::all(client.clone());
    spawn::<SliceObject, _, _>(tasks, all, config(), Into::into, inputs.clone(), Input::Endpoints);
    let all = Api::all(client.clone());
    spawn::<Node, _, _>(tasks, all, config(), Into::into, inputs.clone(), Input::Node);
    let pods = Api::namespaced(client.clone(), &namespace);
    let speakers = config().labels(&speaker_labels);
    spawn::<Pod, _, _>(tasks, pods, speakers, Into::into, inputs.clone(), Input::Speaker);

    let pools = Api::namespaced(client.clone(), &namespace);
    spawn_guarded(tasks, pools, config(), pool, inputs.clone(), Input::Pool);
    let l2 = Api::namespaced(client.clone(), &namespace);
    spawn_guarded(
        tasks,
        l2,
        config(),
        l2_advertisement,
        inputs.clone(),
        Input::L2Advertisement,
    );
    let bgp = Api::namespaced(client, &namespace);
    spawn_guarded(
        tasks,
        bgp,
        config(),
        bgp_advertisement,
        inputs,
        Input::BgpAdvertisement,
    );
}
