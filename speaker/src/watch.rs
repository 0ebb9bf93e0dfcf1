//! Which objects the speaker watches, and what it keeps of each. Owns the list of kinds and their filters.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};
use metallb_api::v1beta1;
use metallb_core::config::{BgpAdvertisement, L2Advertisement, Pool};
use metallb_core::world::{Change, Claim, Input};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{self, spawn, spawn_guarded};
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
    let balanced = watch::config().fields("spec.type=LoadBalancer");
    let all = || Api::all(client.clone());
    spawn::<Service, Claim, Input>(tasks, all(), balanced, Claim::from, inputs.clone(), |c| {
        Input::Service(change(c))
    });
    let all = || Api::all(client.clone());
    spawn::<EndpointSlice, _, _>(tasks, all(), watch::config(), Into::into, inputs.clone(), |c| {
        Input::Endpoints(change(c))
    });
    spawn::<Node, _, _>(
        tasks,
        Api::all(client.clone()),
        watch::config(),
        Into::into,
        inputs.clone(),
        |c| Input::Node(change(c)),
    );
    let pods = Api::namespaced(client.clone(), &namespace);
    let speakers = watch::config().labels(&speaker_labels);
    spawn::<Pod, _, _>(tasks, pods, speakers, Into::into, inputs.clone(), |c| {
        Input::Speaker(change(c))
    });

    let pools = Api::namespaced(client.clone(), &namespace);
    spawn_guarded(tasks, pools, watch::config(), pool, inputs.clone(), |c| {
        Input::Pool(change(c))
    });
    let l2 = Api::namespaced(client.clone(), &namespace);
    spawn_guarded(
        tasks,
        l2,
        watch::config(),
        l2_advertisement,
        inputs.clone(),
        |c| Input::L2Advertisement(change(c)),
    );
    let bgp = Api::namespaced(client, &namespace);
    spawn_guarded(tasks, bgp, watch::config(), bgp_advertisement, inputs, |c| {
        Input::BgpAdvertisement(change(c))
    });
}

/// Whom a pool serves is the controller's business, so the namespaces are not needed.
#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
fn pool(object: v1beta1::IPAddressPool) -> Result<Pool, String> {
    Pool::parse(&object, &BTreeMap::new()).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
fn l2_advertisement(object: v1beta1::L2Advertisement) -> Result<L2Advertisement, String> {
    L2Advertisement::parse(&object).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
fn bgp_advertisement(object: v1beta1::BGPAdvertisement) -> Result<BgpAdvertisement, String> {
    BgpAdvertisement::parse(&object).map_err(|error| error.to_string())
}

fn change<F>(change: watch::Change<F>) -> Change<F> {
    match change {
        watch::Change::Apply(key, facts) => Change::Apply(key, facts),
        watch::Change::Delete(key) => Change::Delete(key),
        watch::Change::Reset(all) => Change::Reset(all),
    }
}
