//! What the controller watches. Owns the list of kinds and how each becomes an input.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use metallb_api::v1beta1::IPAddressPool;
use metallb_core::facts::{ServiceFacts, ServiceObject};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn, spawn_guarded};
use tokio::sync::mpsc::Sender;

use crate::state::Input;

/// Starts the watches. `namespace` is the one of the pools; Services are watched in all.
pub(crate) fn start(tasks: &mut Tasks, client: &Client, namespace: &str, inputs: &Sender<Input>) {
    spawn(
        tasks,
        Api::all(client.clone()),
        config(),
        service,
        inputs.clone(),
        Input::Service,
    );
    spawn(
        tasks,
        Api::all(client.clone()),
        config(),
        labels,
        inputs.clone(),
        Input::Namespace,
    );
    let pools = Api::namespaced(client.clone(), namespace);
    spawn_guarded(tasks, pools, config(), pool, inputs.clone(), Input::Pool);
}

fn service(service: ServiceObject) -> ServiceFacts {
    ServiceFacts::from(service)
}

fn labels(namespace: Namespace) -> BTreeMap<String, String> {
    namespace.metadata.labels.unwrap_or_default()
}

fn pool(mut pool: IPAddressPool) -> IPAddressPool {
    pool.metadata.managed_fields = None; // longer than the rest of the object
    pool
}
