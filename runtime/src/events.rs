//! What `kubectl describe` shows under Events. Owns the writing of core/v1 Events: one object per distinct message,
//! whose `count` grows when the same is said again, also by a later process.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use ring::digest::{SHA256, digest};
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::time::{Instant, sleep};

use crate::log::chain;
use crate::tasks::Tasks;

/// Notes waiting to be written. At about 400 bytes each this bounds the queue to 2 MB; it holds the burst of 4,000
/// Services that all get an address at once. A note that finds it full is dropped and counted: Events inform, the
/// state itself is in the objects' status.
const QUEUE: usize = 4096;
/// Events whose count is remembered, so that a repeat costs one request. The oldest is forgotten, which costs its next
/// repeat one request more.
const REMEMBERED: usize = 1024;

/// The pause after a request, in durations of that request: Events take a quarter of one request's place at the API
/// server. They cost it as much as a status write does, and five hundred Services at once bring five hundred of both:
/// without a pause the Events take half of the processors that the addresses wait for. As a multiple it is short when
/// the API server is quick (80 Events a second at 3 ms each), and long when it is not.
const PAUSE: u32 = 3;
/// The pause while more Events come than are written: those of a burst wait for its end, when nobody waits for addresses
/// any more. One of them a second shows meanwhile that something happens.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The sum of such pauses until no Event is left: what goes on for longer is no burst.
const BUSY: Duration = Duration::from_secs(5);
/// The longest pause: after a request that the API server did not answer, the next one is not held up for minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Whether an Event is good news or something to act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Went as wanted.
    Normal,
    /// Somebody should do something; the message says what.
    Warning,
}

impl EventKind {
    /// The word in the Event's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// One thing to tell about one object.
#[derive(Debug, Clone)]
pub struct Note {
    /// The object it is about; its namespace is the Event's.
    pub regarding: ObjectReference,
    /// Good news or not.
    pub kind: EventKind,
    /// One word for machines, from `metallb_api::names::event`.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
}

/// The way to publish Events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: Sender<Note>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts the writer task. `component` is who speaks (`metallb-controller`), `instance` where (node or pod name).
    pub fn new(client: Client, component: &'static str, instance: String, tasks: &mut Tasks) -> Self {
        let (queue, notes) = mpsc::channel(QUEUE);
        tasks.spawn(
            "events",
            Writer {
                client,
                component,
                instance,
                counts: Counts::default(),
            }
            .run(notes),
        );
        Self {
            queue,
            dropped: Arc::default(),
        }
    }

    /// Has `note` written soon. Never waits: a full queue drops it, with one log line.
    pub fn publish(&self, note: Note) {
        match self.queue.try_send(note) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(note)) => {
                let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::warn!(
                    reason = note.reason,
                    dropped,
                    "event queue is full, event dropped"
                );
            }
        }
    }
}

/// Writes one note after the other, with a pause between two: it leaves the API server to the status writes, which matter
/// more. The first note after a while is written at once.
struct Writer {
    client: Client,
    component: &'static str,
    instance: String,
    counts: Counts,
}

impl Writer {
    async fn run(mut self, mut notes: Receiver<Note>) -> anyhow::Result<()> {
        let mut pace = Pace::default();
        while let Some(note) = notes.recv().await {
            let waiting = notes.len();
            let started = Instant::now();
            if let Err(error) = self.write(&note).await {
                // Not retried: an Event that arrives late misleads more than one that is missing.
                tracing::warn!(reason = note.reason, error = chain(&error), "event not written");
            }
            sleep(pace.pause(waiting, started.elapsed())).await;
        }
        bail!("every recorder is gone")
    }

    async fn write(&mut self, note: &Note) -> Result<(), Error> {
        let name = name(self.component, note);
        let namespace = namespace(note);
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if let Some(count) = self.counts.of(&name) {
            match self.repeat(&api, &name, Some(count + 1)).await {
                Err(Error::Api(status)) if status.is_not_found() => {} // expired meanwhile: made anew below
                done => return done,
            }
        }
        let event = event(
            self.component,
            &self.instance,
            note,
            name.clone(),
            Time(Timestamp::now()),
        );
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => {
                self.counts.set(name, 1);
                Ok(())
            }
            // An earlier process said the same: learn its count from the answer, then add ours.
            Err(Error::Api(status)) if status.is_already_exists() => {
                self.repeat(&api, &name, None).await?;
                let count = self.counts.of(&name).unwrap_or(1) + 1;
                self.repeat(&api, &name, Some(count)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Says it again at the present time; without a count, only the time changes.
    async fn repeat(&mut self, api: &Api<Event>, name: &str, count: Option<i32>) -> Result<(), Error> {
        let mut patch = json!({ "lastTimestamp": Time(Timestamp::now()), "source": self.source() });
        if let Some(count) = count {
            patch["count"] = count.into();
        }
        let now = api
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        self.counts.set(name.to_owned(), now.count.unwrap_or(1));
        Ok(())
    }

    fn source(&self) -> EventSource {
        source(self.component, &self.instance)
    }
}

/// How soon after an Event the next one is written.
#[derive(Debug, Default)]
struct Pace {
    /// How many were waiting at the last one.
    waiting: usize,
    /// The sum of the pauses of the present burst.
    busy: Duration,
}

impl Pace {
    /// How long the API server is left alone after it took so long for an Event, while so many more are waiting.
    fn pause(&mut self, waiting: usize, took: Duration) -> Duration {
        let more = waiting > std::mem::replace(&mut self.waiting, waiting);
        if waiting == 0 {
            self.busy = Duration::ZERO;
        }
        let least = if more && waiting < QUEUE / 2 && self.busy < BUSY {
            self.busy += BUSY_PAUSE;
            BUSY_PAUSE
        } else {
            Duration::ZERO // there is no room for a longer burst
        };
        took.saturating_mul(PAUSE).max(least).min(LONGEST_PAUSE)
    }
}

fn source(component: &str, instance: &str) -> EventSource {
    EventSource {
        component: Some(component.to_owned()),
        host: Some(instance.to_owned()),
    }
}

/// Events live beside their object; those of cluster-wide objects live in `default`, by Kubernetes' convention.
fn namespace(note: &Note) -> &str {
    note.regarding
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or("default")
}

/// The same note has the same name in every process and at every time: that is what folds repeats into one Event.
fn name(component: &str, note: &Note) -> String {
    let object = &note.regarding;
    let mut text = String::new();
    for part in [
        component,
        object.uid.as_deref().unwrap_or_default(),
        object.kind.as_deref().unwrap_or_default(),
        note.kind.as_str(),
        note.reason,
        &note.message,
    ] {
        text.push_str(part);
        text.push('\0');
    }
    // 64 bits: two different notes about one object collide once in 4 billion objects with 4 notes each.
    let hash = digest(&SHA256, text.as_bytes());
    let mut name = object.name.clone().unwrap_or_default();
    // An Event's name is a DNS subdomain of at most 253 characters.
    name.truncate(253 - 17);
    name.push('.');
    for byte in &hash.as_ref()[..8] {
        let _ = write!(name, "{byte:02x}"); // writing to a String cannot fail
    }
    name
}

fn event(component: &str, instance: &str, note: &Note, name: String, now: Time) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace(note).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: note.regarding.clone(),
        type_: Some(note.kind.as_str().to_owned()),
        reason: Some(note.reason.to_owned()),
        message: Some(note.message.clone()),
        source: Some(source(component, instance)),
        reporting_component: Some(component.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}

/// How often each recent Event was said, by name.
#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<String, i32>,
    oldest_first: VecDeque<String>,
}

impl Counts {
    fn of(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }

    fn set(&mut self, name: String, count: i32) {
        if self.by_name.insert(name.clone(), count).is_some() {
            return;
        }
        self.oldest_first.push_back(name);
        if self.oldest_first.len() > REMEMBERED
            && let Some(forgotten) = self.oldest_first.pop_front()
        {
            self.by_name.remove(&forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(object: &str, message: &str) -> Note {
        let regarding = ObjectReference {
            kind: Some("Service".into()),
            name: Some(object.into()),
            namespace: Some("shop".into()),
            uid: Some("u-1".into()),
            ..ObjectReference::default()
        };
        Note {
            regarding,
            kind: EventKind::Normal,
            reason: "nodeAssigned",
            message: message.into(),
        }
    }

    #[test]
    fn the_same_note_has_the_same_name_and_another_another() {
        let web = note("web", "m");
        assert_eq!(name("metallb-speaker", &web), name("metallb-speaker", &web));
        let mut warning = web.clone();
        warning.kind = EventKind::Warning;
        for other in [note("web", "n"), note("api", "m"), warning] {
            assert_ne!(name("metallb-speaker", &web), name("metallb-speaker", &other));
        }
        assert_ne!(name("metallb-speaker", &web), name("metallb-controller", &web));
    }

    #[test]
    fn a_name_fits_kubernetes_limit() {
        let long = name("metallb-speaker", &note(&"a".repeat(253), "m"));
        assert_eq!(long.len(), 253);
    }

    #[test]
    fn the_event_says_who_where_and_what() {
        let now = Time(Timestamp::UNIX_EPOCH);
        let event = event(
            "metallb-speaker",
            "node1",
            &note("web", "announcing"),
            "web.1".into(),
            now,
        );
        assert_eq!(event.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!(
            event.source.unwrap().component.as_deref(),
            Some("metallb-speaker")
        );
        assert_eq!(event.message.as_deref(), Some("announcing"));
        assert_eq!((event.count, event.type_.as_deref()), (Some(1), Some("Normal")));
    }

    #[test]
    fn a_busy_api_server_gets_longer_pauses_up_to_a_second() {
        for (took_ms, pause_ms) in [(0, 0), (3, 9), (100, 300), (334, 1000), (70_000, 1000)] {
            let pause = Pace::default().pause(0, Duration::from_millis(took_ms));
            assert_eq!(pause, Duration::from_millis(pause_ms), "after {took_ms} ms");
        }
    }

    #[test]
    fn the_events_of_a_burst_wait_for_its_end_unless_there_are_too_many() {
        let mut pace = Pace::default();
        let half = QUEUE / 2;
        for (waiting, pause_ms) in [
            (0, 9),
            (1, 1000),
            (40, 1000),
            (40, 9),
            (39, 9),
            (half - 1, 1000),
            (half, 9),
            (half + 50, 9),
            (0, 9),
        ] {
            let pause = pace.pause(waiting, Duration::from_millis(3));
            assert_eq!(pause, Duration::from_millis(pause_ms), "{waiting} waiting");
        }
    }

    #[test]
    fn what_does_not_end_is_no_burst() {
        let mut pace = Pace::default();
        let mut long = |waiting| pace.pause(waiting, Duration::from_millis(3)) == BUSY_PAUSE;
        for times in 1..=40 {
            assert_eq!(long(times), times <= 5, "{times} times more");
        }
        assert!(!long(0), "none is left");
        assert!(long(1));
    }

    #[test]
    fn the_memory_of_counts_is_bounded() {
        let mut counts = Counts::default();
        for i in 0..=REMEMBERED {
            counts.set(format!("e{i}"), 1);
        }
        assert_eq!(counts.of("e0"), None);
        assert_eq!(counts.of("e1"), Some(1));
        assert_eq!(counts.by_name.len(), REMEMBERED);
    }
}
