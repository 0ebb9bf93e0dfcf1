//! What this node announces at present, and why. Owns the step from changed plans to actions, and the rule for
//! addresses that several Services share: announced as long as one of them is, on the interfaces of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::names::{event, protocol};

use super::{Action, Decision, Note, Plan};
use crate::layer2::Interfaces;

/// The plans in force.
#[derive(Debug)]
pub struct Ledger {
    node: String,
    plans: BTreeMap<NamespacedName, Plan>,
    /// Which Services announce an address: the index of `plans` by address.
    holders: BTreeSet<(IpAddr, NamespacedName)>,
    announced: BTreeMap<IpAddr, Interfaces>,
    /// Handed over, and still another node's as far as the plans say. This node may be answering for them for a moment
    /// longer, which has to end if they are nobody's any more. Bounded by the addresses of all Services.
    handed_over: BTreeSet<IpAddr>,
}

impl Ledger {
    /// Nothing is announced yet. `node` is the name users read in Events.
    pub fn new(node: String) -> Self {
        Self {
            node,
            plans: BTreeMap::new(),
            holders: BTreeSet::new(),
            announced: BTreeMap::new(),
            handed_over: BTreeSet::new(),
        }
    }

    /// Puts the plans in force, `None` for Services that are gone, and returns what has to be done for it.
    ///
    /// Plans that change together, and those of Services that share an address, are given together: an address that
    /// moves from one Service to another on this node is then not withdrawn in between. Giving a plan again that is in force causes no action.
    pub fn settle(&mut self, plans: BTreeMap<NamespacedName, Option<Plan>>) -> Vec<Action> {
        let mut touched = BTreeSet::new();
        let mut moved: BTreeSet<IpAddr> = BTreeSet::new();
        let mut news = Vec::new();
        for (service, plan) in plans {
            let old = self.plans.remove(&service);
            let before = old.as_ref().map_or(&[][..], announcing);
            let after = plan.as_ref().map_or(&[][..], announcing);
            for address in before {
                self.holders.remove(&(*address, service.clone()));
            }
            self.holders
                .extend(after.iter().map(|address| (*address, service.clone())));
            touched.extend(before.iter().chain(after).copied());
            if !self.handed_over.is_empty() || !before.is_empty() {
                let known = old.iter().flat_map(|old| old.addresses.iter());
                touched.extend(known.filter(|address| self.handed_over.contains(address)));
                let next = plan.iter().filter(|plan| plan.hands_over());
                moved.extend(next.flat_map(|plan| plan.addresses.iter()));
            }

            let decision = plan.as_ref().map(|plan| plan.decision.clone());
            let known = old.as_ref().map(|old| &old.decision);
            if known != decision.as_ref() {
                let before = known.cloned();
                news.push(Action::Decided {
                    service: service.clone(),
                    before,
                    decision,
                });
            }
            // A real assignment is one that this node did not have before, not every look at it.
            if after.iter().any(|address| !before.contains(address)) {
                news.push(Action::Tell(self.assigned(&service)));
            }
            if let Some(plan) = plan {
                self.plans.insert(service, plan);
            }
        }
        let mut actions: Vec<_> = touched
            .into_iter()
            .filter_map(|address| self.adjust(address, moved.contains(&address)))
            .collect();
        actions.extend(news);
        actions
    }

    /// What has to be done when others may have acted upon facts that this node never saw: nothing changes, but the
    /// neighbours hear of every address again.
    pub fn remind(&self) -> Vec<Action> {
        let remind = |address: &IpAddr| Action::Remind { address: *address };
        self.announced.keys().map(remind).collect()
    }

    /// What this node announces at present.
    pub fn announced(&self) -> &BTreeMap<IpAddr, Interfaces> {
        &self.announced
    }

    /// Which Services it announces them for. An address that Services share is there once for each.
    pub fn announced_for(&self) -> impl Iterator<Item = (IpAddr, &NamespacedName)> {
        self.holders.iter().map(|(address, service)| (*address, service))
    }

    /// Brings one address in line with the plans. It has `moved` if another node announces it that is to be waited for.
    fn adjust(&mut self, address: IpAddr, moved: bool) -> Option<Action> {
        let first = (address, NamespacedName::default());
        let holders = self.holders.range(first..).take_while(|(of, _)| *of == address);
        let wanted = holders
            .filter_map(|(_, service)| match &self.plans.get(service)?.decision {
                Decision::Announce(interfaces) => Some(interfaces.clone()),
                Decision::Withhold(_) => None,
            })
            .reduce(Interfaces::or);
        match wanted {
            None if moved => {
                self.announced.remove(&address)?;
                self.handed_over.insert(address);
                Some(Action::HandOver { address })
            }
            None => {
                let announced = self.announced.remove(&address).is_some();
                let lingers = self.handed_over.remove(&address);
                (announced || lingers).then_some(Action::Withdraw { address })
            }
            Some(interfaces) if self.announced.get(&address) == Some(&interfaces) => None,
            Some(interfaces) => {
                self.handed_over.remove(&address);
                self.announced.insert(address, interfaces.clone());
                Some(Action::Announce { address, interfaces })
            }
        }
    }

    fn assigned(&self, service: &NamespacedName) -> Note {
        Note {
            service: service.clone(),
            warning: false,
            reason: event::NODE_ASSIGNED,
            message: format!(
                "announcing from node {:?} with protocol {:?}",
                self.node,
                protocol::LAYER2
            ),
        }
    }
}

/// The addresses that a plan announces.
fn announcing(plan: &Plan) -> &[IpAddr] {
    match plan.decision {
        Decision::Announce(_) => &plan.addresses,
        Decision::Withhold(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer2::Reason;

    fn named(name: &str) -> NamespacedName {
        NamespacedName::new("shop", name)
    }

    /// `web=192.0.2.1@eth0` announces on eth0, `web=192.0.2.1@*` on all, `web=192.0.2.1` withholds, `web` is gone;
    /// `web=192.0.2.1@>` leaves it to another node, `web=192.0.2.1@x` too, but cannot go on meanwhile.
    fn plan(text: &str) -> (NamespacedName, Option<Plan>) {
        let Some((name, rest)) = text.split_once('=') else {
            return (named(text), None);
        };
        let (addresses, interface) = rest.split_once('@').unwrap_or((rest, ""));
        let addresses = addresses
            .split(',')
            .map(|address| address.parse().unwrap())
            .collect();
        let decision = match interface {
            "" | ">" => Decision::Withhold(Reason::NotOwner),
            "x" => Decision::Withhold(Reason::NoLocalEndpoints),
            "*" => Decision::Announce(Interfaces::All),
            name => Decision::Announce(Interfaces::of(&[name.to_owned()].into())),
        };
        (
            named(name),
            Some(Plan {
                addresses,
                decision,
                elsewhere: matches!(interface, ">" | "x"),
                complaint: None,
            }),
        )
    }

    fn line(action: Action) -> Option<String> {
        Some(match action {
            Action::Announce {
                address,
                interfaces: Interfaces::All,
            } => format!("+{address}@*"),
            Action::Announce {
                address,
                interfaces: Interfaces::Named(names),
            } => {
                format!(
                    "+{address}@{}",
                    names.iter().cloned().collect::<Vec<_>>().join(",")
                )
            }
            Action::Remind { address } => format!("!{address}"),
            Action::HandOver { address } => format!("~{address}"),
            Action::Withdraw { address } => format!("-{address}"),
            Action::Tell(note) => format!("{} {}", note.service.name(), note.reason),
            Action::Decided { .. } => return None,
        })
    }

    /// What each batch of plans causes, one batch after the other.
    fn check(batches: &[(&[&str], &[&str])]) {
        let mut ledger = Ledger::new("node1".into());
        for (batch, expected) in batches {
            let actions = ledger.settle(batch.iter().map(|text| plan(text)).collect());
            let lines: Vec<_> = actions.into_iter().filter_map(line).collect();
            assert_eq!(lines, *expected, "{batch:?}");
            let again = ledger.settle(batch.iter().map(|text| plan(text)).collect());
            assert_eq!(again, [], "again: {batch:?}");
        }
    }

    #[test]
    fn an_assignment_is_told_once_and_again_when_it_comes_back() {
        check(&[
            (&["web=192.0.2.1@*"], &["+192.0.2.1@*", "web nodeAssigned"]),
            (&["web=192.0.2.1@eth0"], &["+192.0.2.1@eth0"]),
            (&["web=192.0.2.1"], &["-192.0.2.1"]),
            (&["web=192.0.2.1@*"], &["+192.0.2.1@*", "web nodeAssigned"]),
            (&["web"], &["-192.0.2.1"]),
        ]);
    }

    #[test]
    fn an_address_that_another_node_announces_is_handed_over_unless_this_one_cannot_go_on() {
        let start: (&[&str], &[&str]) = (&["web=192.0.2.1@*"], &["+192.0.2.1@*", "web nodeAssigned"]);
        check(&[
            start,
            (&["web=192.0.2.1@>"], &["~192.0.2.1"]),
            start,
            (&["web=192.0.2.1@x"], &["-192.0.2.1"]),
            (&["web=192.0.2.1@>"], &[]),
            (&["web"], &[]),
        ]);
    }

    #[test]
    fn what_is_being_handed_over_ends_at_once_when_it_is_nobodys_any_more() {
        let start: (&[&str], &[&str]) = (&["web=192.0.2.1@*"], &["+192.0.2.1@*", "web nodeAssigned"]);
        let handed_over: (&[&str], &[&str]) = (&["web=192.0.2.1@>"], &["~192.0.2.1"]);
        check(&[
            start,
            handed_over,
            (&["web"], &["-192.0.2.1"]),
            start,
            handed_over,
            (&["web=192.0.2.1"], &["-192.0.2.1"]),
            start,
            handed_over,
            (&["web=192.0.2.7@>"], &["-192.0.2.1"]),
        ]);
    }

    #[test]
    fn a_shared_address_is_handed_over_with_its_last_service() {
        check(&[
            (
                &["a=192.0.2.1@*", "b=192.0.2.1@*"],
                &["+192.0.2.1@*", "a nodeAssigned", "b nodeAssigned"],
            ),
            (&["a"], &[]),
            (&["b=192.0.2.1@>"], &["~192.0.2.1"]),
            (
                &["a=192.0.2.1@*", "b=192.0.2.1@*"],
                &["+192.0.2.1@*", "a nodeAssigned", "b nodeAssigned"],
            ),
            (&["a=192.0.2.1@>", "b=192.0.2.1@>"], &["~192.0.2.1"]),
            (&["a", "b=192.0.2.1@>"], &[]),
            (&["b"], &["-192.0.2.1"]),
        ]);
    }

    #[test]
    fn another_address_is_another_assignment() {
        check(&[
            (&["web=192.0.2.1@*"], &["+192.0.2.1@*", "web nodeAssigned"]),
            (
                &["web=192.0.2.1,2001:db8::1@*"],
                &["+2001:db8::1@*", "web nodeAssigned"],
            ),
            (&["web=2001:db8::1@*"], &["-192.0.2.1"]),
        ]);
    }

    #[test]
    fn a_shared_address_stays_until_the_last_service_leaves() {
        check(&[
            (
                &["a=192.0.2.1@eth0", "b=192.0.2.1@eth1"],
                &["+192.0.2.1@eth0,eth1", "a nodeAssigned", "b nodeAssigned"],
            ),
            (&["c=192.0.2.1"], &[]),
            (&["a"], &["+192.0.2.1@eth1"]),
            (&["b=192.0.2.1"], &["-192.0.2.1"]),
        ]);
    }

    #[test]
    fn an_address_that_moves_between_services_is_not_withdrawn() {
        check(&[
            (&["b=192.0.2.1@*"], &["+192.0.2.1@*", "b nodeAssigned"]),
            (&["a=192.0.2.1@*", "b"], &["a nodeAssigned"]),
        ]);
    }

    #[test]
    fn the_event_reads_as_users_know_it() {
        let note = Ledger::new("node-1.example".into()).assigned(&named("web"));
        assert_eq!(
            note.message,
            r#"announcing from node "node-1.example" with protocol "layer2""#
        );
    }
}
