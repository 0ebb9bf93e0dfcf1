//! What a scraper reads of a speaker, to the letter.

use std::collections::BTreeSet;

use metallb_protocol::layer2::Counters;
use metallb_runtime::metrics::{Questions, questions};

use super::*;

/// The metrics of a speaker, and the ends at which its parts are asked.
struct Speaker {
    all: Metrics,
    ours: SpeakerMetrics,
    counted: Questions<Counted>,
    announced: Questions<Announced>,
}

impl Speaker {
    fn new() -> Self {
        let all = Metrics::new("v0.1.0").unwrap();
        let (ask_counted, counted) = questions();
        let (ask_announced, announced) = questions();
        Self {
            ours: SpeakerMetrics::new(&all, "node-a", ask_counted, ask_announced).unwrap(),
            all,
            counted,
            announced,
        }
    }

    /// The lines of a scrape that the speaker's parts answer so.
    async fn scrape(&mut self, counted: Counted, announced: Announced) -> Vec<String> {
        let answer = async {
            self.counted.recv().await.unwrap().answer(counted);
            self.announced.recv().await.unwrap().answer(announced);
        };
        let (text, ()) = tokio::join!(self.all.scrape(), answer);
        let ours = |line: &&str| line.contains("metallb_layer2") || line.contains("metallb_speaker");
        String::from_utf8(text)
            .unwrap()
            .lines()
            .filter(ours)
            .map(str::to_owned)
            .collect()
    }
}

fn counted(entitled: bool, address: &str, counters: Counters) -> Counted {
    Counted {
        entitled,
        addresses: vec![(ip(address), counters)],
        yielded: BTreeSet::new(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_scraper_reads_what_went_over_the_wire_and_what_is_announced() {
    let mut speaker = Speaker::new();
    let counters = Counters {
        requests: 5,
        responses: 4,
        gratuitous: 3,
        contested: 2,
    };
    let web = NamespacedName::new("shop", "web");
    let lines = speaker
        .scrape(counted(true, "192.0.2.1", counters), vec![(web, ip("192.0.2.1"))])
        .await;
    assert_eq!(
        lines,
        [
            "# HELP metallb_layer2_contested_total Number of times that another station kept using an owned IP for more than a second",
            "# TYPE metallb_layer2_contested_total counter",
            "metallb_layer2_contested_total{ip=\"192.0.2.1\"} 2",
            "# HELP metallb_layer2_gratuitous_sent Number of gratuitous layer2 packets sent for owned IPs as a result of failovers",
            "# TYPE metallb_layer2_gratuitous_sent counter",
            "metallb_layer2_gratuitous_sent{ip=\"192.0.2.1\"} 3",
            "# HELP metallb_layer2_requests_received Number of layer2 requests received for owned IPs",
            "# TYPE metallb_layer2_requests_received counter",
            "metallb_layer2_requests_received{ip=\"192.0.2.1\"} 5",
            "# HELP metallb_layer2_responses_sent Number of layer2 responses sent for owned IPs in response to requests",
            "# TYPE metallb_layer2_responses_sent counter",
            "metallb_layer2_responses_sent{ip=\"192.0.2.1\"} 4",
            "# HELP metallb_speaker_address_owned 1 while this node answers for an IP, 0 while it is chosen for it and may not answer",
            "# TYPE metallb_speaker_address_owned gauge",
            "metallb_speaker_address_owned{ip=\"192.0.2.1\",node=\"node-a\"} 1",
            "# HELP metallb_speaker_announced Services being announced from this node. This is desired state, it does not \
             guarantee that the routing protocols have converged.",
            "# TYPE metallb_speaker_announced gauge",
            "metallb_speaker_announced{ip=\"192.0.2.1\",node=\"node-a\",protocol=\"layer2\",service=\"shop/web\"} 1",
            "# HELP metallb_speaker_may_announce 1 while this node may answer for addresses, 0 while it asks the other \
             speakers whether they reckon with it",
            "# TYPE metallb_speaker_may_announce gauge",
            "metallb_speaker_may_announce 1",
        ]
    );
    let lines = speaker
        .scrape(counted(false, "2001:db8::1", Counters::default()), vec![])
        .await;
    let samples: Vec<_> = lines.iter().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            "metallb_layer2_contested_total{ip=\"2001:db8::1\"} 0",
            "metallb_layer2_gratuitous_sent{ip=\"2001:db8::1\"} 0",
            "metallb_layer2_requests_received{ip=\"2001:db8::1\"} 0",
            "metallb_layer2_responses_sent{ip=\"2001:db8::1\"} 0",
            "metallb_speaker_address_owned{ip=\"2001:db8::1\",node=\"node-a\"} 0",
            "metallb_speaker_may_announce 0",
        ]
    );
}

#[test]
fn a_configuration_that_cannot_be_used_is_stale_until_it_is_mended() {
    let key = NamespacedName::new("metallb-system", "a");
    let speaker = Speaker::new();
    for (input, verdict, loaded, stale, updates, errors) in [
        (Change::Reset([].into()), None, 0, 0, 0, 0),
        (
            Change::Apply(key.clone(), Err("typo".to_owned())),
            Some(Err("typo".to_owned())),
            1,
            1,
            1,
            1,
        ),
        (Change::Delete(key), Some(Ok(())), 1, 0, 2, 1),
    ] {
        if let Change::Apply(..) = input {
            speaker.ours.observe_fault();
        }
        speaker.ours.observe(&Input::L2Advertisement(input));
        speaker.ours.observe_verdict(&verdict);
        let text = String::from_utf8(speaker.all.text()).unwrap();
        for sample in [
            format!("metallb_k8s_client_config_loaded_bool {loaded}"),
            format!("metallb_k8s_client_config_stale_bool {stale}"),
            format!("metallb_k8s_client_updates_total {updates}"),
            format!("metallb_k8s_client_update_errors_total {errors}"),
        ] {
            assert!(
                text.lines().any(|line| line == sample),
                "{sample} is missing in {text}"
            );
        }
    }
}
