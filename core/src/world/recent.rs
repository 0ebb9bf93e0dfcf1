//! What changed since the last plans. Owns the rule that plans are made before a second change of the same object: plans
//! made only after both would not show what was so in between, when another node may have taken over and told the
//! neighbours.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::{Change, NamespacedName};

use super::{Input, Kind};

/// Bounded by the objects that change between two plans.
#[derive(Debug, Default)]
pub(super) struct Recent {
    changed: BTreeMap<Kind, Objects>,
    /// A list came in place of changes.
    gap: bool,
}

/// The part of a kind that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Objects {
    Some(BTreeSet<NamespacedName>),
    Every,
}

impl Recent {
    /// Takes note of `input`, before which the kinds in `listed` were known.
    pub(super) fn note(&mut self, input: &Input, listed: &BTreeSet<Kind>) {
        let (kind, object) = subject(input);
        let changed = self.changed.entry(kind).or_insert(Objects::Some(BTreeSet::new()));
        match (changed, object) {
            (Objects::Every, _) => {}
            (Objects::Some(objects), Some(object)) => {
                objects.insert(object.clone());
            }
            (every, None) => {
                *every = Objects::Every;
                // Interfaces and members are known at all times.
                let list = !matches!(kind, Kind::Interfaces | Kind::Members);
                self.gap |= list && listed.contains(&kind);
            }
        }
    }

    /// Whether what `input` is about has changed already.
    pub(super) fn covers(&self, input: &Input) -> bool {
        let (kind, object) = subject(input);
        match (self.changed.get(&kind), object) {
            (None, _) => false,
            (Some(Objects::Some(objects)), Some(object)) => objects.contains(object),
            (Some(Objects::Every), _) | (Some(Objects::Some(_)), None) => true,
        }
    }

    /// Plans are made.
    pub(super) fn clear(&mut self) {
        self.changed.clear();
    }

    /// Others acted without this speaker, which did not see why.
    pub(super) fn note_gap(&mut self) {
        self.gap = true;
    }

    pub(super) fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }
}

/// What `input` is about; no object means all of the kind.
fn subject(input: &Input) -> (Kind, Option<&NamespacedName>) {
    fn object<F>(change: &Change<F>) -> Option<&NamespacedName> {
        match change {
            Change::Apply(object, _) | Change::Delete(object) => Some(object),
            Change::Reset(_) => None,
        }
    }
    match input {
        Input::Service(change) => (Kind::Service, object(change)),
        Input::Endpoints(change) => (Kind::Endpoints, object(change)),
        Input::Node(change) => (Kind::Node, object(change)),
        Input::Speaker(change) => (Kind::Speaker, object(change)),
        Input::Pool(change) => (Kind::Pool, object(change)),
        Input::L2Advertisement(change) => (Kind::L2Advertisement, object(change)),
        Input::BgpAdvertisement(change) => (Kind::BgpAdvertisement, object(change)),
        Input::Interfaces(_) => (Kind::Interfaces, None),
        Input::Members { .. } => (Kind::Members, None),
    }
}
