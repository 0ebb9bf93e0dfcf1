//! A node that may not answer for a while, as its neighbour sees it.

use super::*;
use crate::entitlement::{pair, since_boot};

impl Street {
    /// The neighbour forgets the address, asks for it, and gives up.
    fn finds_nobody(&self, ip: &'static str) {
        self.neighbour.ip(&format!("neigh flush to {ip} dev peer0"));
        wait_until(&format!("nobody answers for {ip}"), || {
            self.neighbour.run(move || send_to(ip));
            let known = self.known(ip);
            known.contains("FAILED").then_some(()).ok_or(known)
        });
    }
}

#[test]
fn a_node_answers_while_it_may_and_is_silent_when_its_time_is_up() {
    let (grantor, entitlement) = pair();
    let Some(street) = Street::obeying(entitlement) else {
        return;
    };
    street.lay_cable();
    street.serve(&[V4, V6]);
    let finds_nobody = || [V4, V6].iter().for_each(|ip| street.finds_nobody(ip));
    let finds_the_node = || [V4, V6].iter().for_each(|ip| street.finds(ip, "lan0"));
    let hour = Duration::from_hours(1);
    finds_nobody();
    grantor.grant(Some(since_boot() + hour));
    finds_the_node();
    grantor.grant(None);
    finds_nobody();
    // Nobody tells it that this is over.
    grantor.grant(Some(since_boot() + Duration::from_millis(1)));
    finds_nobody();
    grantor.grant_for_ever();
    finds_the_node();
}
