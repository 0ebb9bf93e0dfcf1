//! What pods asked of the API server of our own cluster, and whether they were allowed to.
//!
//! Owns: reading the audit log, what is a write, and what a rule of a Role amounts to.
//! Never: judges; a test does.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::cluster::layout::Layout;

/// One thing that an account did or may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// The name of the ServiceAccount
    pub account: String,
    /// The namespace of the object; none for what is everywhere or in no namespace
    pub namespace: Option<String>,
    /// API group and resource, such as `metallb.io/ipaddresspools/status`; the core group has no name
    pub resource: String,
    /// As in a Role
    pub verb: String,
    /// The object, if there is one in particular
    pub name: Option<String>,
}

impl Act {
    /// Whether who may do this may do `other`.
    fn allows(&self, other: &Self) -> bool {
        let Self {
            account,
            namespace,
            resource,
            verb,
            name,
        } = self;
        *account == other.account
            && *resource == other.resource
            && *verb == other.verb
            && (name.is_none() || *name == other.name)
            && (namespace.is_none() || *namespace == other.namespace)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            account,
            namespace,
            resource,
            verb,
            name,
        } = self;
        write!(f, "{account}: {verb} {resource}")?;
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// What the accounts of a namespace did, and what they were refused.
#[derive(Debug, Default)]
pub struct Record {
    /// What they were allowed to, and did
    pub done: BTreeSet<Act>,
    /// What no Role allowed
    pub refused: BTreeSet<Act>,
}

impl Record {
    /// Everything since the cluster was started, but for what programs in Go did: upstream's have accounts of the same
    /// names. The API server writes with a delay of about a second.
    ///
    /// # Errors
    /// If there is no log: only our own cluster keeps one.
    pub fn of_accounts_in(namespace: &str) -> Result<Self> {
        let mut record = Self::default();
        for log in logs()? {
            record.read(&log, namespace);
        }
        Ok(record)
    }

    fn read(&mut self, log: &str, namespace: &str) {
        for event in events(log) {
            let Some(account) = event.account_in(namespace) else {
                continue;
            };
            if event.user_agent.contains(CLIENT_GO) {
                continue;
            }
            let refused = event.annotations.decision.as_deref() == Some("forbid");
            for act in event.acts(account) {
                if refused {
                    self.refused.insert(act);
                } else {
                    self.done.insert(act);
                }
            }
        }
    }

    /// Whether somebody did what `granted` allows.
    pub fn shows(&self, granted: &Act) -> bool {
        self.done.iter().any(|done| granted.allows(done))
    }

    /// What was refused to accounts of `granted` and none of `granted` allows. What one does allow was asked for while the
    /// Roles were not there: tests install and remove them.
    pub fn missed(&self, granted: &[Act]) -> Vec<&Act> {
        let is_missing = |refused: &&Act| {
            granted.iter().any(|act| act.account == refused.account)
                && !granted.iter().any(|act| act.allows(refused))
        };
        self.refused.iter().filter(is_missing).collect()
    }
}

/// What an account asked of the API server, refused or not, in the order of time.
#[derive(Debug, Default)]
pub struct Requests {
    /// What can change something
    pub writes: Vec<Act>,
    /// What cannot, each watch once
    pub reads: Vec<Act>,
}

impl Requests {
    /// Those that came within this time. The API server writes with a delay of about a second.
    ///
    /// # Errors
    /// If there is no log: only our own cluster keeps one.
    pub fn of(namespace: &str, account: &str, time: &Range<Timestamp>) -> Result<Self> {
        let mut requests = Self::default();
        for log in logs()? {
            requests.read(&log, (namespace, account), time);
        }
        Ok(requests)
    }

    fn read(&mut self, log: &str, (namespace, account): (&str, &str), time: &Range<Timestamp>) {
        for event in events(log) {
            let came = event.request_received_timestamp;
            let counts = came.is_some_and(|came| time.contains(&came)) && event.stage != STARTED;
            if !counts || event.account_in(namespace) != Some(account) {
                continue;
            }
            let requests = match event.verb.as_str() {
                "get" | "list" | "watch" => &mut self.reads,
                _ => &mut self.writes,
            };
            requests.extend(event.acts(account).into_iter().next());
        }
    }
}

/// How every client-go ends what it says of itself, whatever the name of the program.
const CLIENT_GO: &str = " kubernetes/";

/// Of a watch there is a line when it begins, and one when it ends.
const STARTED: &str = "ResponseStarted";

/// The log, and its full predecessors.
fn logs() -> Result<Vec<String>> {
    let logs = Layout::of_this_checkout().logs();
    let mut texts = Vec::new();
    for entry in fs::read_dir(&logs).with_context(|| format!("no logs in {}", logs.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A full one is given the time as a part of its name.
        if name.starts_with("audit") && name.ends_with(".log") {
            texts.push(fs::read_to_string(&path)?);
        }
    }
    ensure!(!texts.is_empty(), "no audit log in {}", logs.display());
    Ok(texts)
}

/// A line that is being written is not yet one.
fn events(log: &str) -> impl Iterator<Item = Event> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// A line of the log, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(default)]
    stage: String,
    request_received_timestamp: Option<Timestamp>,
    #[serde(default)]
    user_agent: String,
    user: User,
    object_ref: Option<Object>,
    response_status: Option<Response>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    code: Option<u16>,
}

#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(rename = "authorization.k8s.io/decision")]
    decision: Option<String>,
}

impl Event {
    /// The name of the account, if it is one of this namespace.
    fn account_in(&self, namespace: &str) -> Option<&str> {
        let of_namespace = self
            .user
            .username
            .strip_prefix("system:serviceaccount:")?
            .strip_prefix(namespace)?;
        of_namespace.strip_prefix(':')
    }

    /// What was asked for: nothing for paths that are no resources. A patch that makes an object needs a second verb.
    fn acts(&self, account: &str) -> Vec<Act> {
        let Some(object) = &self.object_ref else {
            return Vec::new();
        };
        let code = self.response_status.as_ref().and_then(|response| response.code);
        let made = self.verb == "patch" && code == Some(201);
        let verbs = [self.verb.as_str()].into_iter().chain(made.then_some("create"));
        let act = |verb: &str| Act {
            account: account.to_owned(),
            namespace: object.namespace.clone(),
            resource: resource(
                &object.api_group,
                &match &object.subresource {
                    Some(part) => format!("{}/{part}", object.resource),
                    None => object.resource.clone(),
                },
            ),
            verb: verb.to_owned(),
            name: object.name.clone(),
        };
        verbs.map(act).collect()
    }
}

fn resource(group: &str, resource: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{group}/{resource}")
    }
}

/// A rule of a Role.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

impl Rule {
    /// Each single thing that it allows `account`, in `namespace` or everywhere.
    pub fn acts(&self, account: &str, namespace: Option<&str>) -> Vec<Act> {
        let names: Vec<Option<String>> = match self.resource_names.as_slice() {
            [] => vec![None],
            names => names.iter().cloned().map(Some).collect(),
        };
        let mut acts = Vec::new();
        for group in &self.api_groups {
            for of_group in &self.resources {
                for verb in &self.verbs {
                    acts.extend(names.iter().map(|name| Act {
                        account: account.to_owned(),
                        namespace: namespace.map(str::to_owned),
                        resource: resource(group, of_group),
                        verb: verb.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
        acts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lines: &[&str]) -> Record {
        let mut record = Record::default();
        record.read(&lines.join("\n"), "ns");
        record
    }

    fn texts(acts: &BTreeSet<Act>) -> Vec<String> {
        acts.iter().map(ToString::to_string).collect()
    }

    const PATCHED: &str = r#"{"verb":"patch","user":{"username":"system:serviceaccount:ns:a"},"objectRef":{"resource":"pools","namespace":"ns","name":"p","apiGroup":"g","subresource":"status"},"responseStatus":{"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}"#;

    #[test]
    fn what_was_done_is_told_in_the_words_of_a_role() {
        let made = PATCHED
            .replace("200", "201")
            .replace(r#","subresource":"status""#, "");
        let other = PATCHED.replace(":ns:a", ":other:a");
        let record = record(&[PATCHED, &made, &other, "{\"half a line", "{}"]);
        assert_eq!(
            texts(&record.done),
            [
                "a: create g/pools p in ns",
                "a: patch g/pools p in ns",
                "a: patch g/pools/status p in ns"
            ]
        );
        assert!(record.refused.is_empty());
    }

    #[test]
    fn what_upstreams_programs_do_is_not_what_ours_need() {
        let upstreams = PATCHED.replace(
            "{\"verb",
            "{\"userAgent\":\"speaker/v0.0.0 (linux/amd64) kubernetes/$Format\",\"verb",
        );
        let record = record(&[&upstreams, &upstreams.replace("allow", "forbid")]);
        assert!(record.done.is_empty() && record.refused.is_empty());
    }

    #[test]
    fn requests_of_one_account_are_counted_within_a_time_and_a_watch_once() {
        let at = |second: u8, line: &str| {
            let time = format!(r#""requestReceivedTimestamp":"2026-01-01T00:00:{second:02}.5Z","verb":"#);
            line.replace(r#""verb":"#, &time)
        };
        let watch = PATCHED.replace(r#""patch""#, r#""watch""#);
        let begun = watch.replace(r#"{"verb"#, r#"{"stage":"ResponseStarted","verb"#);
        let lines = [
            at(1, PATCHED),
            at(2, PATCHED),
            at(2, &PATCHED.replace("200", "201")),
            at(2, &PATCHED.replace(":ns:a", ":ns:b")),
            at(2, &PATCHED.replace(":ns:a", ":other:a")),
            at(2, &begun),
            at(2, &watch),
            at(3, PATCHED),
        ];
        let second = |second: u8| {
            format!("2026-01-01T00:00:0{second}Z")
                .parse::<Timestamp>()
                .unwrap()
        };
        let mut requests = Requests::default();
        requests.read(&lines.join("\n"), ("ns", "a"), &(second(2)..second(3)));
        let told = |acts: &[Act]| acts.iter().map(|act| act.verb.clone()).collect::<Vec<_>>();
        assert_eq!(told(&requests.writes), ["patch", "patch"]);
        assert_eq!(told(&requests.reads), ["watch"]);
    }

    #[test]
    fn what_no_role_allows_is_told_apart_from_other_refusals() {
        let forbidden = PATCHED.replace("allow", "forbid").replace("200", "403");
        assert_eq!(
            texts(&record(&[&forbidden]).refused),
            ["a: patch g/pools/status p in ns"]
        );
        // Allowed, and refused for another reason: the namespace is about to end.
        let ending = PATCHED.replace("200", "403");
        assert!(record(&[&ending]).refused.is_empty());
    }

    #[test]
    fn what_a_role_allows_was_refused_before_the_role_was_there() {
        let forbidden = PATCHED.replace("allow", "forbid").replace("200", "403");
        let record = record(&[&forbidden]);
        let rule = |text: &str| serde_json::from_str::<Rule>(text).unwrap();
        let same = rule(r#"{"apiGroups":["g"],"resources":["pools/status"],"verbs":["patch"]}"#);
        let another = rule(r#"{"apiGroups":["g"],"resources":["pools"],"verbs":["patch"]}"#);
        assert!(record.missed(&same.acts("a", Some("ns"))).is_empty());
        assert_eq!(record.missed(&another.acts("a", Some("ns"))).len(), 1);
        assert!(record.missed(&another.acts("b", Some("ns"))).is_empty());
    }

    #[test]
    fn a_rule_is_shown_by_an_act_of_each_of_its_names_and_verbs() {
        let rule: Rule = serde_json::from_str(
            r#"{"apiGroups":["g"],"resources":["pools/status"],"resourceNames":["p","q"],"verbs":["patch"]}"#,
        )
        .unwrap();
        let record = record(&[PATCHED]);
        let shown: Vec<bool> = rule
            .acts("a", Some("ns"))
            .iter()
            .map(|act| record.shows(act))
            .collect();
        assert_eq!(shown, [true, false]);
        assert!(!rule.acts("b", None).iter().any(|act| record.shows(act)));
        assert!(record.shows(&rule.acts("a", None)[0]), "everywhere includes here");
        assert!(!record.shows(&rule.acts("a", Some("elsewhere"))[0]));
    }
}
