//! Whether an object may be created, changed or deleted, given those that are there. Pure: who asks, and where the
//! objects come from, is the webhook's business.
//!
//! An object is refused for what it brings into the configuration: its own mistakes, and contradictions that are not
//! there without it. What was wrong before is no reason to refuse, or else nobody could mend it step by step. References
//! to objects that do not exist are no reason either, because objects may be created in any order; those are warnings.

use crate::config::objects::{Kind, Object, Objects};
use crate::config::{Fault, conflict, reference};

mod hint;
#[cfg(test)]
mod tests;

/// What is about to happen to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed, and was this before.
    Update(Object),
    /// It is deleted.
    Delete,
}

/// What the author of an object gets to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why the object is refused; `None` if it is not.
    pub denied: Option<String>,
    /// What the author should know in either case.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// The object is refused.
    pub fn denied(message: impl Into<String>) -> Self {
        Self {
            denied: Some(message.into()),
            warnings: Vec::new(),
        }
    }
}

/// Decides about `object`. `namespace` is where the configuration belongs, and `existing` are the objects there are,
/// of the kinds in [`needs`].
pub fn review(namespace: &str, operation: &Operation, object: &Object, existing: Objects) -> Verdict {
    let at_home = object.metadata().namespace.as_deref() == Some(namespace);
    match operation {
        Operation::Delete if at_home => review_delete(object, &existing),
        // It configures nothing.
        Operation::Delete => Verdict::default(),
        Operation::Create if !at_home => Verdict::denied(wrong_namespace(namespace)),
        Operation::Update(_) if !at_home => Verdict {
            denied: None,
            warnings: vec![format!("it has no effect here: {}", wrong_namespace(namespace))],
        },
        // Whoever takes a finalizer off, or writes a note, says nothing about the configuration.
        Operation::Update(before)
            if object.metadata().deletion_timestamp.is_some() || object.says_the_same_as(before) =>
        {
            Verdict::default()
        }
        Operation::Create | Operation::Update(_) => review_change(object, existing),
    }
}

/// Whether [`review`] looks at the labels of the nodes: which peers and advertisements meet depends on them.
pub fn needs_nodes(kind: Kind, operation: &Operation) -> bool {
    let meets = matches!(kind, Kind::BgpAdvertisement | Kind::BgpPeer | Kind::IpAddressPool);
    meets && *operation != Operation::Delete
}

/// The kinds of existing objects that [`review`] looks at.
pub fn needs(kind: Kind, operation: &Operation) -> &'static [Kind] {
    match (kind, operation) {
        (Kind::BfdProfile, Operation::Delete) => &[Kind::BgpPeer],
        (_, Operation::Delete) | (Kind::BfdProfile, _) => &[],
        (Kind::Community, _) => &[Kind::Community],
        (Kind::L2Advertisement, _) => &[Kind::L2Advertisement, Kind::IpAddressPool],
        (Kind::IpAddressPool, _) => &[Kind::IpAddressPool, Kind::BgpAdvertisement],
        (Kind::BgpPeer, _) => &[Kind::BgpPeer, Kind::BfdProfile],
        (Kind::BgpAdvertisement, _) => &[
            Kind::BgpAdvertisement,
            Kind::IpAddressPool,
            Kind::Community,
            Kind::BgpPeer,
            Kind::BfdProfile,
        ],
    }
}

fn wrong_namespace(namespace: &str) -> String {
    format!("resource must be created in {namespace} namespace")
}

fn review_delete(object: &Object, existing: &Objects) -> Verdict {
    let Object::BfdProfile(profile) = object else {
        return Verdict::default();
    };
    let name = profile.metadata.name.as_deref();
    let user =
        (existing.peers.iter()).find(|(_, peer)| name.is_some() && peer.spec.bfd_profile.as_deref() == name);
    user.map_or_else(Verdict::default, |(peer, _)| {
        let name = name.unwrap_or_default();
        Verdict::denied(format!(
            "failed to delete BFDProfile {name}, used by BGPPeer {peer}"
        ))
    })
}

fn review_change(object: &Object, mut existing: Objects) -> Verdict {
    let (kind, name) = (object.kind(), object.name());
    existing.remove(kind, name);
    let before = conflict::faults(&existing);
    let unresolved_before = reference::faults(&existing);

    let mut relaxed = existing.clone();
    relaxed.insert(without_references(object));
    existing.insert(object.clone());
    let (own, others): (Vec<Fault>, Vec<Fault>) = (conflict::faults(&relaxed).into_iter())
        .filter(|fault| !before.contains(fault))
        .partition(|fault| fault.kind == kind.as_str());
    if let Some(first) = own.into_iter().next() {
        return Verdict::denied(first.message);
    }

    let mut warnings = hint::about(object, &existing);
    warnings.extend(others.iter().map(ToString::to_string));
    let unresolved = reference::faults(&existing).into_iter();
    let unresolved = unresolved.filter(|fault| !unresolved_before.contains(fault));
    let strict = conflict::faults(&existing).into_iter();
    let strict = strict.filter(|fault| !before.contains(fault) && !others.contains(fault));
    warnings.extend(unresolved.chain(strict).map(|fault| fault.message));
    warnings.extend(before.iter().map(in_the_way));
    Verdict {
        denied: None,
        warnings,
    }
}

fn in_the_way(fault: &Fault) -> String {
    format!("no change takes effect before this is corrected, too: {fault}")
}

/// The object without what may come later. Upstream looks at passwords only when the Secrets are known, too.
fn without_references(object: &Object) -> Object {
    let mut object = object.clone();
    if let Object::BgpPeer(peer) = &mut object {
        peer.spec.password_secret = None;
    }
    object
}
