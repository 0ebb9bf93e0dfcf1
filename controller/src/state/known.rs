//! How far what is known of a Service can be relied on. Owns two rules and no state.

use metallb_core::facts::ServiceFacts;

use crate::write::Write;

/// Whether `write` was done is not known: the status may list what it listed or what was to be written, and is written
/// again in any case.
pub(super) fn doubt_status(known: &mut ServiceFacts, write: &Write) {
    let added = write.ingress.iter().filter(|ip| !known.ingress.contains(ip));
    let added: Vec<_> = added.copied().collect();
    known.ingress.extend(added);
    known.foreign_ingress = true;
}

/// Whether `facts` are of an earlier version of the object than `known`. Versions compare as numbers where they are
/// numbers (Kubernetes guarantees it from 1.35 on, and etcd has always made it so); otherwise nothing is older.
pub(super) fn is_older(facts: &ServiceFacts, known: &ServiceFacts) -> bool {
    let version = |facts: &ServiceFacts| facts.resource_version.parse::<u128>().ok();
    facts.uid == known.uid
        && version(facts)
            .zip(version(known))
            .is_some_and(|(new, old)| new < old)
}
