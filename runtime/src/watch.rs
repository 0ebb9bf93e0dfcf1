//! From a Kubernetes watch to inputs of the owner task. Owns the connection, its retries and what happens to objects
//! that do not decode. It keeps no objects: only the facts that `extract` takes out of each travel on.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::bail;
use futures::{Stream, StreamExt, pin_mut};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Resource};
use metallb_api::{Change, NamespacedName};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;

use crate::backoff::Backoff;
use crate::log::chain;
use crate::outage::Outage;
use crate::tasks::Tasks;

/// A watch request ends after this time, and a connection that says nothing for five seconds more is given up: the
/// bound on how long a silently dropped connection (a dead load balancer before the API servers) goes unnoticed.
const WATCH_SECONDS: u32 = 60;
/// Objects per page of a list. It bounds the memory of a list to a page of whole objects plus all facts; a page of 200
/// Services is about 1 MB.
const PAGE: u32 = 200;
/// The status code for a watch from a state that the API server no longer has; the watcher lists anew.
const EXPIRED: u16 = 410;
/// A watch that has failed and then says nothing for this long works, though nothing happens: five seconds more than the
/// longest time that an attempt takes to fail, which is the client's for a connection and for the silence after it.
const QUIET: Duration = Duration::from_secs(80);

/// The settings of a watch: all objects the `Api` reaches. Narrow it with `.labels()` or `.fields()`.
pub fn config() -> Config {
    Config::default().timeout(WATCH_SECONDS).page_size(PAGE)
}

/// Watches objects of a built-in kind, which the API server has validated for us.
///
/// A full `inputs` queue holds the watch back; nothing is dropped. Failures are retried for ever, with backoff.
pub fn spawn<K, F, I>(
    tasks: &mut Tasks,
    api: Api<K>,
    config: Config,
    extract: fn(K) -> F,
    inputs: Sender<I>,
    wrap: fn(Change<F>) -> I,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
    F: Send + 'static,
    I: Send + 'static,
{
    let stream = watcher::watcher(api, config);
    tasks.spawn(
        "watch",
        forward(kind::<K>(), stream, Plain(extract), inputs, wrap),
    );
}

/// Watches objects of one of our own kinds. One that does not decode (made for another version of the CRD) is logged,
/// and its last good facts stay in force; the others are not affected.
pub fn spawn_guarded<K, F, I>(
    tasks: &mut Tasks,
    api: Api<DeserializeGuard<K>>,
    config: Config,
    extract: fn(K) -> F,
    inputs: Sender<I>,
    wrap: fn(Change<F>) -> I,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    F: Clone + Send + 'static,
    I: Send + 'static,
{
    let stream = watcher::watcher(api, config);
    let reader = Guarded {
        extract,
        last_good: BTreeMap::new(),
    };
    tasks.spawn("watch", forward(kind::<K>(), stream, reader, inputs, wrap));
}

/// Takes the facts out of objects.
trait Read<O, F> {
    /// The facts of an object; `None` if it has none and never had.
    fn read(&mut self, object: O) -> Option<(NamespacedName, F)>;
    /// The object is gone.
    fn forget(&mut self, name: &NamespacedName);
    /// These are all there are: every other one went while nobody watched.
    fn keep_only(&mut self, listed: &BTreeMap<NamespacedName, F>);
}

/// For objects that always decode.
struct Plain<K, F>(fn(K) -> F);

impl<K: Resource, F> Read<K, F> for Plain<K, F> {
    fn read(&mut self, object: K) -> Option<(NamespacedName, F)> {
        Some((name_of(&object), self.0(object)))
    }

    fn forget(&mut self, _: &NamespacedName) {}

    fn keep_only(&mut self, _: &BTreeMap<NamespacedName, F>) {}
}

/// For objects that may not decode. Remembers facts, so it is for configuration, of which there is little.
struct Guarded<K, F> {
    extract: fn(K) -> F,
    last_good: BTreeMap<NamespacedName, F>,
}

impl<K: Resource<DynamicType = ()>, F: Clone> Read<DeserializeGuard<K>, F> for Guarded<K, F> {
    fn read(&mut self, guard: DeserializeGuard<K>) -> Option<(NamespacedName, F)> {
        let name = name_of(&guard);
        match guard.0 {
            Ok(object) => {
                let facts = (self.extract)(object);
                self.last_good.insert(name.clone(), facts.clone());
                Some((name, facts))
            }
            Err(invalid) => {
                let (kind, error) = (kind::<K>(), invalid.error);
                tracing::error!(kind, object = %name, error, "object does not decode, its last good state stays in force");
                let facts = self.last_good.get(&name)?.clone();
                Some((name, facts))
            }
        }
    }

    fn forget(&mut self, name: &NamespacedName) {
        self.last_good.remove(name);
    }

    fn keep_only(&mut self, listed: &BTreeMap<NamespacedName, F>) {
        self.last_good.retain(|name, _| listed.contains_key(name));
    }
}

fn kind<K: Resource>() -> String
where
    K::DynamicType: Default,
{
    K::kind(&K::DynamicType::default()).into_owned()
}

fn name_of<K: Resource>(object: &K) -> NamespacedName {
    NamespacedName::of(object.meta())
}

/// Turns the watch's events into changes until the owner task is gone.
async fn forward<O, F, I>(
    kind: String,
    stream: impl Stream<Item = watcher::Result<Event<O>>> + Send,
    mut reader: impl Read<O, F> + Send,
    inputs: Sender<I>,
    wrap: fn(Change<F>) -> I,
) -> anyhow::Result<()>
where
    O: Resource + Send,
{
    pin_mut!(stream);
    let mut connection = Connection::new(kind);
    let mut listing = Vec::new();
    while let Some(event) = connection.next(&mut stream).await {
        let change = match event {
            Ok(Event::Init) => {
                listing.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                listing.extend(reader.read(object));
                None
            }
            Ok(Event::InitDone) => {
                // All at once, so that the map has no room left for more: they stay, and may be thousands.
                let all: BTreeMap<_, _> = std::mem::take(&mut listing).into_iter().collect();
                tracing::debug!(kind = connection.kind, objects = all.len(), "listed");
                reader.keep_only(&all);
                Some(Change::Reset(all))
            }
            Ok(Event::Apply(object)) => reader
                .read(object)
                .map(|(name, facts)| Change::Apply(name, facts)),
            Ok(Event::Delete(object)) => {
                let name = name_of(&object);
                reader.forget(&name);
                Some(Change::Delete(name))
            }
            Err(error) => {
                tokio::time::sleep(connection.failed(&error)).await;
                continue;
            }
        };
        if let Some(change) = change {
            // Not at `Init`, which the watcher yields before it has asked the API server anything.
            connection.works();
            if inputs.send(wrap(change)).await.is_err() {
                bail!(
                    "the task that owns the state of {} objects is gone",
                    connection.kind
                );
            }
        }
    }
    bail!("the watch of {} objects ended", connection.kind)
}

/// Whether a watch works, as far as can be seen, and when it is tried again.
struct Connection {
    kind: String,
    backoff: Backoff,
    outage: Outage,
}

impl Connection {
    fn new(kind: String) -> Self {
        Self {
            kind,
            backoff: Backoff::default(),
            outage: Outage::default(),
        }
    }

    /// The next event. The watcher does not tell that it has reached the API server again: after a failure, either the
    /// next change tells, or that there is no failure for a while.
    async fn next<S: Stream + Unpin>(&mut self, stream: &mut S) -> Option<S::Item> {
        if self.outage.failures() > 0 {
            match tokio::time::timeout(QUIET, stream.next()).await {
                Ok(event) => return event,
                Err(_) => self.works(),
            }
        }
        stream.next().await
    }

    /// Returns how long to wait before the next attempt.
    fn failed(&mut self, error: &watcher::Error) -> Duration {
        // So old is our state after an outage. Who answers this works, and the list that follows is not put off.
        if matches!(error, watcher::Error::WatchError(status) if status.code == EXPIRED) {
            self.backoff.succeeded();
        }
        let wait = self.backoff.failed();
        let (tell, error, retry_ms) = (self.outage.failed(), chain(error), millis(wait));
        let (kind, failures) = (&self.kind, self.outage.failures());
        if tell {
            tracing::warn!(kind, error, failures, retry_ms, "watch lost");
        } else {
            tracing::debug!(kind, error, failures, retry_ms, "watch still lost");
        }
        wait
    }

    fn works(&mut self) {
        self.backoff.succeeded();
        if let Some(over) = self.outage.works() {
            let (kind, failures, lost_ms) = (&self.kind, over.failures, millis(over.lasted));
            tracing::info!(kind, failures, lost_ms, "watch is back");
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::error_boundary::InvalidObject;
    use kube::runtime::watcher::Error;
    use tokio::sync::mpsc;

    use super::*;
    use crate::log::LogLevel;
    use crate::log::tests::Captured;

    fn config_map(name: &str, value: &str) -> ConfigMap {
        let mut object = ConfigMap {
            data: Some([("v".into(), value.into())].into()),
            ..ConfigMap::default()
        };
        object.metadata.name = Some(name.into());
        object.metadata.namespace = Some("ns".into());
        object
    }

    fn named(name: &str) -> NamespacedName {
        NamespacedName::new("ns", name)
    }

    fn value(object: ConfigMap) -> String {
        object.data.unwrap_or_default().remove("v").unwrap_or_default()
    }

    /// What arrives in the owner's queue for these watch events.
    async fn changes<O: Resource + Send>(
        reader: impl Read<O, String> + Send,
        events: Vec<watcher::Result<Event<O>>>,
    ) -> Vec<Change<String>> {
        let (inputs, mut queue) = mpsc::channel(16);
        let ended = forward(
            "ConfigMap".into(),
            stream::iter(events),
            reader,
            inputs,
            |change| change,
        )
        .await;
        assert!(ended.is_err(), "a watch that ends must end the process");
        let mut got = Vec::new();
        while let Some(change) = queue.recv().await {
            got.push(change);
        }
        got
    }

    #[tokio::test]
    async fn a_list_arrives_as_one_reset_and_then_single_changes() {
        let got = changes(
            Plain(value),
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(config_map("a", "1"))),
                Ok(Event::InitApply(config_map("b", "2"))),
                Ok(Event::InitDone),
                Ok(Event::Apply(config_map("a", "3"))),
                Ok(Event::Delete(config_map("b", "2"))),
            ],
        )
        .await;
        let listed = [(named("a"), "1".to_owned()), (named("b"), "2".to_owned())].into();
        let applied = Change::Apply(named("a"), "3".to_owned());
        assert_eq!(got, [Change::Reset(listed), applied, Change::Delete(named("b"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_breaks_off_starts_over_without_its_first_half() {
        let got = changes(
            Plain(value),
            vec![
                Ok(Event::Init),
                Ok(Event::InitApply(config_map("gone-meanwhile", "1"))),
                Err(Error::NoResourceVersion),
                Ok(Event::Init),
                Ok(Event::InitApply(config_map("a", "1"))),
                Ok(Event::InitDone),
            ],
        )
        .await;
        assert_eq!(got, [Change::Reset([(named("a"), "1".to_owned())].into())]);
    }

    fn good(name: &str, value: &str) -> DeserializeGuard<ConfigMap> {
        DeserializeGuard(Ok(config_map(name, value)))
    }

    fn broken(name: &str) -> DeserializeGuard<ConfigMap> {
        let metadata = config_map(name, "").metadata;
        DeserializeGuard(Err(InvalidObject {
            error: "unknown field".into(),
            metadata,
        }))
    }

    fn guarded() -> Guarded<ConfigMap, String> {
        Guarded {
            extract: value,
            last_good: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn an_object_that_does_not_decode_keeps_its_last_good_facts() {
        let events = vec![
            Ok(Event::Apply(good("a", "1"))),
            Ok(Event::Apply(broken("a"))),
            Ok(Event::Apply(broken("never-good"))),
            Ok(Event::Init),
            Ok(Event::InitApply(broken("a"))),
            Ok(Event::InitApply(broken("never-good"))),
            Ok(Event::InitDone),
            Ok(Event::Delete(broken("a"))),
            Ok(Event::Apply(broken("a"))),
        ];
        let good = || Change::Apply(named("a"), "1".to_owned());
        let listed = Change::Reset([(named("a"), "1".to_owned())].into());
        assert_eq!(
            changes(guarded(), events).await,
            [good(), good(), listed, Change::Delete(named("a"))]
        );
    }

    #[tokio::test]
    async fn an_object_deleted_during_a_disconnection_leaves_nothing_to_its_successor() {
        let events = vec![
            Ok(Event::Apply(good("a", "of the first"))),
            Ok(Event::Init),
            Ok(Event::InitDone),
            Ok(Event::Apply(broken("a"))),
        ];
        let first = Change::Apply(named("a"), "of the first".to_owned());
        assert_eq!(
            changes(guarded(), events).await,
            [first, Change::Reset(BTreeMap::new())]
        );
    }

    #[test]
    fn after_an_outage_a_state_that_is_too_old_does_not_put_the_list_off() {
        let mut connection = Connection::new("ConfigMap".into());
        let waits = (0..20).map(|_| connection.failed(&Error::NoResourceVersion));
        assert!(waits.last().unwrap() > Duration::from_secs(2));
        let mut expired = kube::core::Status::failure("too old resource version", "Expired");
        expired.code = EXPIRED;
        let wait = connection.failed(&Error::WatchError(Box::new(expired)));
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
    }

    /// The lines that the watch of `events` has logged so far, as message and failures. After the events it is silent.
    async fn logged(events: Vec<watcher::Result<Event<ConfigMap>>>) -> Vec<(String, u64)> {
        let (log, guard) = Captured::by_this_thread(LogLevel::Info);
        let (inputs, _queue) = mpsc::channel::<Change<String>>(16);
        let silent = stream::once(pending());
        let watch = forward(
            "ConfigMap".into(),
            stream::iter(events).chain(silent),
            Plain(value),
            inputs,
            |change| change,
        );
        let goes_on = tokio::time::timeout(Duration::from_mins(10), watch).await;
        assert!(goes_on.is_err(), "the watch ended");
        drop(guard);
        let line = |line: serde_json::Value| {
            let text = line["msg"].as_str().unwrap_or_default().to_owned();
            (text, line["failures"].as_u64().unwrap_or_default())
        };
        log.lines().into_iter().map(line).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_two_lines_in_the_log_however_often_it_was_tried() {
        let lost = || (0..20).map(|_| Err(Error::NoResourceVersion));
        let found = || [Ok(Event::Init), Ok(Event::InitDone)];
        let events = found().into_iter().chain(lost()).chain(found()).chain(lost());
        assert_eq!(
            logged(events.collect()).await,
            [
                ("watch lost".to_owned(), 1),
                ("watch is back".to_owned(), 20),
                ("watch lost".to_owned(), 1),
                // Nothing happens, and nothing fails either.
                ("watch is back".to_owned(), 20),
            ]
        );
    }
}
