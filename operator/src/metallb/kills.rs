//! A thousand kills: whatever write an operator dies at, the next one ends in the same state. The reconciliation is the real
//! one; the API server is one in memory.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::api_server::{Cluster, Death, METALLB};
use super::*;

const KILLS: usize = 1000;
const KEY: &str = "/api/v1/namespaces/metallb-system/secrets/metallb-memberlist";

impl Cluster {
    /// One operator from its start to its end. Tells how many writes it made; `None` if it died.
    async fn operate(&self, death: Option<Death>, random: u8) -> Option<usize> {
        self.let_die(death);
        let context = self.context();
        let key = FreshKey([random; FreshKey::LENGTH]);
        let now = Time(Timestamp::from_second(1_700_000_000).unwrap());
        tokio::select! {
            biased;
            () = self.died() => None,
            outcome = reconcile(&context, "metallb", key, now) => {
                let outcome = outcome.unwrap().unwrap();
                assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
                Some(self.writes())
            }
        }
    }

    /// Until nothing is left to do: an operator is told of what it did, and looks again.
    async fn settle(&self, random: u8) {
        for _ in 0..3 {
            self.operate(None, random).await.unwrap();
        }
    }

    /// Everything but the key, which is made at random, and when something happened.
    fn state(&self) -> BTreeMap<String, Value> {
        let mut state = self.all();
        state.remove(KEY).unwrap();
        for object in state.values_mut() {
            object["metadata"]["resourceVersion"].take();
        }
        state
    }

    fn key(&self) -> Option<Value> {
        self.all().get(KEY).map(|secret| secret["data"].clone())
    }
}

#[tokio::test]
async fn a_thousand_kills_end_in_the_state_that_nobody_disturbed() {
    let (first, last) = (
        json!({}),
        json!({"logLevel": "debug", "controllerConfig": {"replicas": 2}}),
    );
    let undisturbed = Cluster::new(&last);
    undisturbed.settle(0).await;
    let expected = undisturbed.state();
    assert!(expected.len() > 12, "{:?}", expected.keys());
    assert_eq!(
        expected[METALLB]["status"]["conditions"][0]["status"], "True",
        "{}",
        expected[METALLB]
    );

    let mut random = fastrand::Rng::with_seed(7);
    let mut kills = 0;
    while kills < KILLS {
        let cluster = Cluster::new(&first);
        let mut key = None;
        for spec in [&first, &last] {
            cluster.ask_for(spec);
            for _ in 0..random.usize(1..12) {
                let number = random.usize(1..20);
                let death = if random.bool() {
                    Death::Before(number)
                } else {
                    Death::After(number)
                };
                kills += usize::from(cluster.operate(Some(death), random.u8(..)).await.is_none());
                let now = cluster.key();
                assert!(
                    key.is_none() || key == now,
                    "the key of the speakers is another one"
                );
                key = now;
            }
        }
        cluster.settle(random.u8(..)).await;
        let found = cluster.state();
        for path in found.keys().chain(expected.keys()) {
            assert_eq!(found.get(path), expected.get(path), "{path}");
        }
        assert!(key.is_none() || key == cluster.key());
    }
}

#[tokio::test]
async fn an_operator_that_has_nothing_to_do_ends_as_it_began() {
    let cluster = Cluster::new(&json!({}));
    cluster.settle(0).await;
    let before = cluster.state();
    cluster.operate(None, 1).await.unwrap();
    assert_eq!(cluster.state(), before);
}
