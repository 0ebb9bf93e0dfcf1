//! What it costs to find an address in a large pool of which 100,000 are taken: `make bench ONLY=search`.

use divan::{Bencher, black_box};
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolSpec};
use metallb_core::allocator::{Allocator, Choice, Want};
use metallb_core::config::Pools;
use metallb_core::facts::{IpFamily, ServiceFacts, ServiceObject};
use serde_json::json;

const TAKEN: usize = 100_000;

fn main() {
    divan::main();
}

#[divan::bench]
fn ipv4_slash_8(bencher: Bencher<'_, '_>) {
    let allocator = crowded("10.0.0.0/8", Want::One(IpFamily::V4));
    let newcomer = service("newcomer");
    bencher
        .bench_local(|| allocator.choose(black_box(&newcomer), Want::One(IpFamily::V4), Choice::Automatic));
}

#[divan::bench]
fn ipv6_slash_64(bencher: Bencher<'_, '_>) {
    let allocator = crowded("fd00::/64", Want::One(IpFamily::V6));
    let newcomer = service("newcomer");
    bencher
        .bench_local(|| allocator.choose(black_box(&newcomer), Want::One(IpFamily::V6), Choice::Automatic));
}

/// The address goes back to the middle of the pool, where the next search has to find it.
#[divan::bench]
fn whole_cycle(bencher: Bencher<'_, '_>) {
    let want = Want::One(IpFamily::V4);
    let mut allocator = crowded("10.0.0.0/8", want);
    let guest = service(&name(TAKEN / 2));
    bencher.bench_local(|| {
        allocator.release(&guest.key);
        give(&mut allocator, black_box(&guest), want);
    });
}

/// A pool whose first addresses are taken, by the rules by which Services get theirs.
fn crowded(addresses: &str, want: Want) -> Allocator {
    let spec = IPAddressPoolSpec {
        addresses: vec![addresses.to_owned()],
        ..IPAddressPoolSpec::default()
    };
    let pools = Pools::parse(
        &[IPAddressPool::new("pool", spec)],
        &std::collections::BTreeMap::new(),
    );
    let mut allocator = Allocator::new();
    allocator.set_pools(pools.expect("one pool has no conflicts"));
    for number in 0..TAKEN {
        give(&mut allocator, &service(&name(number)), want);
    }
    allocator
}

fn give(allocator: &mut Allocator, service: &ServiceFacts, want: Want) {
    let found = allocator
        .choose(service, want, Choice::Automatic)
        .expect("the pool has millions");
    allocator
        .claim(service, &found)
        .expect("nobody else asks in between");
}

fn name(number: usize) -> String {
    format!("service-{number:06}")
}

fn service(name: &str) -> ServiceFacts {
    let service: ServiceObject = serde_json::from_value(json!({
        "metadata": { "namespace": "shop", "name": name },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80, "protocol": "TCP" }] },
    }))
    .expect("a complete Service");
    ServiceFacts::from(service)
}
