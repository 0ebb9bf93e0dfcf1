//! The watches that start a reconciliation. What is watched, and what follows from a change, is decided elsewhere.

use std::time::Duration;

use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::utils::Backoff as StreamBackoff;
use kube::{Api, Client};
use metallb_api::names;
use metallb_api::v1beta1::MetalLB;
use metallb_runtime::backoff::Backoff;
use metallb_runtime::watch;

use crate::metallb::inputs::{Seen, inputs};
use crate::platform::Kinds;

/// The triggers carry names only. What an object is like is read when it is its turn.
pub(super) type Trigger = PartialObjectMeta<MetalLB>;

/// Watches every MetalLB and everything that a reconciliation of the one depends on. Whatever happens to an object of these
/// starts one, also the loss of its owner reference, after which it could not be told whose it is. Of the MetalLB itself the
/// library tells only that it is there, not that it went: so that is watched twice.
pub(super) fn watches(client: &Client, namespace: &str, kinds: &Kinds) -> Controller<Trigger> {
    let all = Controller::new(
        Api::<Trigger>::namespaced(client.clone(), namespace),
        watch::config(),
    )
    // There is one MetalLB. The limit keeps a namespace full of misnamed ones from becoming a burst of requests.
    .with_config(Config::default().concurrency(1))
    // The library's own waits up to 30 s: too long for a deleted DaemonSet after an outage of the API server.
    .trigger_backoff(WatchBackoff::default());
    let metallb = ObjectRef::<Trigger>::new(names::object::METALLB).within(namespace);
    inputs(namespace, kinds).into_iter().fold(all, |all, input| {
        let metallb = metallb.clone();
        let (api, config) = (input.api::<Seen>(client), input.watch());
        all.watches_with(api, input.resource, config, move |_| [metallb.clone()])
    })
}

/// The wait between attempts at a broken watch, as the library wants it.
#[derive(Default)]
struct WatchBackoff(Backoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0.failed())
    }
}

impl StreamBackoff for WatchBackoff {
    fn reset(&mut self) {
        self.0.succeeded();
    }
}
