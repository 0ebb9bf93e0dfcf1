//! Why nobody announces Services that have an address, written to a condition of their status and told in one Event.
//!
//! ```text
//!   speakers' status objects, Pods ─► hearing ─► Heard ─► owner task ─► Case: silent for so long ─► look into ─► condition
//!   Nodes, pools, advertisements ─► world ──────────────────────────────────────────────────────────▲            and Event
//!                                            the EndpointSlices of this one Service ────────────────┘
//! ```
//!
//! The controller finds it out and not a speaker: there may be none, and what writes the status of every Service should
//! not run on every node. That somebody announces is the speakers' own word. Their reasons are computed as they compute
//! them, and from what they see; the endpoints, of which there are more than of anything else, are asked for only where
//! they matter.
//!
//! No address depends on any of this. Where it may not be seen, nothing is said.

mod heard;

use std::time::Duration;

use anyhow::bail;
use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::core::PartialObjectMeta;
use kube::{Client, Error, Resource};
use metallb_api::names::{condition, event, label};
use metallb_api::v1beta1::ServiceL2Status;
use metallb_api::{Change, NamespacedName};
use metallb_core::facts::{EndpointFacts, NoAddress, Said, SliceObject, SpeakerFacts};
use metallb_core::world::read::{bgp_advertisement, l2_advertisement, pool};
use metallb_core::world::{self, Claim, Kind, Unannounced, World};
use metallb_runtime::events::{EventKind, Note, Recorder};
use metallb_runtime::lease::Leadership;
use metallb_runtime::log::chain;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn, spawn_guarded};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch::Sender as Latest;
use tokio::time::{Instant, sleep_until, timeout};

use crate::reasons::patch_status;
use crate::state::{Case, Concern};
use heard::{Announcement, Hearing};

pub(crate) use heard::{Heard, digest};

/// Changes on their way. A full queue holds the watches back while a Service is looked into.
const INPUTS: usize = 64;
/// From a change of who announces to the summary of it: while thousands of Services move, one summary a second is enough.
const REST: Duration = Duration::from_secs(1);
/// The wait for the endpoints of one Service.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Something that is learned.
enum Input {
    World(world::Input),
    Announcement(Change<Announcement>),
    Speaker(Change<SpeakerFacts>),
}

/// Who looks into the silence of Services.
pub(crate) struct Inquiry {
    pub(crate) client: Client,
    /// Of the configuration and of the speakers.
    pub(crate) namespace: String,
    /// The load balancer class that is served.
    pub(crate) class: Option<String>,
    pub(crate) recorder: Recorder,
    pub(crate) leadership: Leadership,
}

/// Looks into `cases` for ever, and says who is `heard`.
pub(crate) fn start(
    tasks: &mut Tasks,
    inquiry: Inquiry,
    cases: Receiver<Vec<Case>>,
    heard: Latest<Option<Heard>>,
) {
    let (sender, inputs) = mpsc::channel(INPUTS);
    watch(tasks, &inquiry, &sender);
    let world = World::from_outside(inquiry.class.clone());
    let office = Office { inquiry, world };
    tasks.spawn("announced", office.run(inputs, cases, heard));
}

fn watch(tasks: &mut Tasks, inquiry: &Inquiry, inputs: &Sender<Input>) {
    let (client, namespace) = (&inquiry.client, inquiry.namespace.as_str());
    let nodes: Api<Node> = Api::all(client.clone());
    spawn(tasks, nodes, config(), Into::into, inputs.clone(), |change| {
        Input::World(world::Input::Node(change))
    });
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let speakers = format!(
        "{}={},{}={}",
        label::APP,
        label::APP_METALLB,
        label::COMPONENT,
        label::SPEAKER
    );
    spawn(
        tasks,
        pods,
        config().labels(&speakers),
        Into::into,
        inputs.clone(),
        Input::Speaker,
    );
    let statuses: Api<PartialObjectMeta<ServiceL2Status>> = Api::namespaced(client.clone(), namespace);
    spawn(
        tasks,
        statuses,
        config(),
        Into::into,
        inputs.clone(),
        Input::Announcement,
    );

    let pools = Api::namespaced(client.clone(), namespace);
    spawn_guarded(tasks, pools, config(), pool, inputs.clone(), |change| {
        Input::World(world::Input::Pool(change))
    });
    let l2 = Api::namespaced(client.clone(), namespace);
    spawn_guarded(tasks, l2, config(), l2_advertisement, inputs.clone(), |change| {
        Input::World(world::Input::L2Advertisement(change))
    });
    let bgp = Api::namespaced(client.clone(), namespace);
    spawn_guarded(
        tasks,
        bgp,
        config(),
        bgp_advertisement,
        inputs.clone(),
        |change| Input::World(world::Input::BgpAdvertisement(change)),
    );
}

struct Office {
    inquiry: Inquiry,
    world: World,
}

impl Office {
    async fn run(
        mut self,
        mut inputs: Receiver<Input>,
        mut cases: Receiver<Vec<Case>>,
        heard: Latest<Option<Heard>>,
    ) -> anyhow::Result<()> {
        let mut hearing = Hearing::default();
        let mut due = Instant::now();
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    None => bail!("every watch ended"),
                    Some(Input::Announcement(change)) => hearing.observe(change),
                    Some(Input::Speaker(change)) => {
                        hearing.observe_speakers(&change);
                        self.world.observe(world::Input::Speaker(change));
                    }
                    Some(Input::World(input)) => {
                        self.world.observe(input); // who is at fault is told elsewhere
                        if self.world.take_configured() {
                            hearing.observe_configuration();
                        }
                    }
                },
                batch = cases.recv() => {
                    let Some(batch) = batch else { bail!("the task that decides about Services is gone") };
                    for case in batch {
                        self.look_into(case).await;
                    }
                }
                () = sleep_until(due), if hearing.is_news() => {
                    heard.send_replace(hearing.heard());
                    due = Instant::now() + REST;
                }
            }
        }
    }

    /// What cannot be found out or written now comes again.
    async fn look_into(&mut self, case: Case) {
        if !self
            .inquiry
            .leadership
            .authority()
            .covers(Instant::now().into_std())
        {
            return;
        }
        let service = case.service.clone();
        let outcome = match &case.concern {
            Concern::Over => self.write(&case, None).await,
            Concern::Silent { claim, lasted } => match self.find_out(&service, claim).await {
                Ok(Some(found)) => self.tell(&case, &found, *lasted).await,
                // Somebody is about to announce it.
                Ok(None) => self.write(&case, None).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = outcome {
            tracing::warn!(%service, error = chain(&error), "not said whether it is announced");
        }
    }

    async fn find_out(
        &mut self,
        service: &NamespacedName,
        claim: &Claim,
    ) -> Result<Option<Unannounced>, Error> {
        let beside = [Kind::Service, Kind::Endpoints, Kind::Interfaces];
        if self.world.missing().iter().any(|kind| !beside.contains(kind)) {
            return Ok(None);
        }
        let slices = if self.world.asks_for_endpoints(claim) {
            self.endpoints(service).await?
        } else {
            Vec::new()
        };
        Ok(self.world.unannounced(service, claim, &slices))
    }

    async fn endpoints(&self, service: &NamespacedName) -> Result<Vec<EndpointFacts>, Error> {
        let api: Api<SliceObject> = Api::namespaced(self.inquiry.client.clone(), service.namespace());
        let of = format!("{}={}", label::ENDPOINT_SLICE_SERVICE, service.name());
        // From the API server's memory.
        let parameters = ListParams::default().labels(&of).match_any();
        match timeout(TIMEOUT, api.list(&parameters)).await {
            Ok(listed) => Ok(listed?.items.into_iter().map(Into::into).collect()),
            Err(_) => Err(Error::Service("no answer in time".into())),
        }
    }

    async fn tell(&self, case: &Case, found: &Unannounced, lasted: Duration) -> Result<(), Error> {
        if case.said.is_none() && lasted < found.patience.length() {
            return Ok(());
        }
        let first = case.said.is_none();
        self.write(case, Some(found)).await?;
        if first {
            tracing::warn!(service = %case.service, cause = found.cause.as_str(), note = found.message, "not announced");
            self.inquiry.recorder.publish(note(case, found.message.clone()));
        }
        Ok(())
    }

    /// Makes the condition say what was found, and if that is nothing, nothing.
    async fn write(&self, case: &Case, found: Option<&Unannounced>) -> Result<(), Error> {
        match patch(case, found, Timestamp::now()) {
            Some(patch) => patch_status(&self.inquiry.client, &case.service, patch).await,
            None => Ok(()),
        }
    }
}

/// A strategic merge patch of this very object: it goes by the types of the conditions, and leaves those of others alone.
/// `None` if the condition says so already.
fn patch(case: &Case, found: Option<&Unannounced>, now: Timestamp) -> Option<Value> {
    let entry = match found {
        None => {
            case.said?;
            json!({ "$patch": "delete", "type": condition::ANNOUNCED })
        }
        Some(found) => {
            let status = if found.cause.is_certain() {
                "False"
            } else {
                "Unknown"
            };
            let NoAddress { reason, message } = NoAddress::new(found.cause.as_str(), &found.message);
            if case.said == Some(Said::new(status, &reason, &message)) {
                return None;
            }
            let mut entry = json!({ "type": condition::ANNOUNCED, "status": status, "reason": reason, "message": message });
            if case.said.is_none() {
                entry["lastTransitionTime"] = json!(Time(now)); // and since then it was not announced
            }
            entry
        }
    };
    Some(json!({ "metadata": { "uid": case.uid }, "status": { "conditions": [entry] } }))
}

fn note(case: &Case, message: String) -> Note {
    Note {
        regarding: ObjectReference {
            api_version: Some(Service::api_version(&()).into_owned()),
            kind: Some(Service::kind(&()).into_owned()),
            namespace: Some(case.service.namespace().to_owned()),
            name: Some(case.service.name().to_owned()),
            uid: Some(case.uid.clone()),
            ..ObjectReference::default()
        },
        kind: EventKind::Warning,
        reason: event::NOT_ANNOUNCED,
        message,
    }
}
