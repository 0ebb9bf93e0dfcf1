//! What a scraper reads, to the letter.

use super::*;

/// The lines that do not depend on the machine.
fn lines(metrics: &Metrics) -> Vec<String> {
    let text = String::from_utf8(metrics.text()).unwrap();
    text.lines()
        .filter(|line| line.contains("metallb"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_process_tells_what_it_sees_of_kubernetes() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    metrics.kubernetes.updates.inc_by(5);
    metrics.kubernetes.observe_configuration(true, false);
    assert_eq!(
        lines(&metrics),
        [
            "# HELP metallb_build_info 1, for the version that runs.",
            "# TYPE metallb_build_info gauge",
            "metallb_build_info{version=\"v0.1.0\"} 1",
            "# HELP metallb_k8s_client_config_loaded_bool 1 if the MetalLB configuration was successfully loaded at least once.",
            "# TYPE metallb_k8s_client_config_loaded_bool gauge",
            "metallb_k8s_client_config_loaded_bool 1",
            "# HELP metallb_k8s_client_config_stale_bool 1 if running on a stale configuration, because the latest config failed to load.",
            "# TYPE metallb_k8s_client_config_stale_bool gauge",
            "metallb_k8s_client_config_stale_bool 0",
            "# HELP metallb_k8s_client_update_errors_total Number of k8s object updates that failed for some reason.",
            "# TYPE metallb_k8s_client_update_errors_total counter",
            "metallb_k8s_client_update_errors_total 0",
            "# HELP metallb_k8s_client_updates_total Number of k8s object updates that have been processed.",
            "# TYPE metallb_k8s_client_updates_total counter",
            "metallb_k8s_client_updates_total 5",
        ]
    );
}

#[test]
fn every_process_tells_what_it_uses() {
    let text = String::from_utf8(Metrics::new("v0.1.0").unwrap().text()).unwrap();
    let figure = |name: &str| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}"))
            .parse()
            .unwrap()
    };
    for name in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_virtual_memory_max_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "process_start_time_seconds",
    ] {
        assert!(figure(name) > 0.0, "{name}");
    }
    assert!(figure("process_resident_memory_bytes") < figure("process_virtual_memory_bytes"));
    for name in [
        "process_cpu_seconds_total",
        "process_network_receive_bytes_total",
        "process_network_transmit_bytes_total",
    ] {
        assert!(figure(name) >= 0.0, "{name}");
    }
}

#[test]
fn the_figures_of_an_object_go_when_it_goes() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    let gauge = |name| metrics.gauges(name, "help", &["pool"]).unwrap();
    let mut figures = Figures::new(vec![gauge("total"), gauge("used")]);
    let now = |figures: &[(&str, [f64; 2])]| {
        figures
            .iter()
            .map(|(name, figures)| ((*name).to_owned(), figures.to_vec()))
            .collect()
    };
    let shown = || {
        let text = String::from_utf8(metrics.text()).unwrap();
        text.lines()
            .filter(|line| line.contains("{pool="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    figures.set(now(&[("gold", [4.0, 1.0]), ("lead", [256.0, 0.0])]));
    figures.set(now(&[("gold", [4.0, 2.0]), ("lead", [256.0, 0.0])]));
    assert_eq!(
        shown(),
        [
            "total{pool=\"gold\"} 4",
            "total{pool=\"lead\"} 256",
            "used{pool=\"gold\"} 2",
            "used{pool=\"lead\"} 0"
        ]
    );
    figures.set(now(&[("lead", [18_446_744_073_709_551_616.0, 3.0])]));
    assert_eq!(
        shown(),
        [
            "total{pool=\"lead\"} 18446744073709552000",
            "used{pool=\"lead\"} 3"
        ]
    );
}

#[tokio::test]
async fn a_scrape_asks_those_who_know_and_waits_for_them() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    let gauge = metrics.gauges("height", "help", &[]).unwrap();
    let (asker, mut scrapes) = questions();
    metrics.before_scrape(move || {
        let (asker, gauge) = (asker.clone(), gauge.clone());
        async move {
            if let Some(height) = asker.ask().await {
                gauge.with_label_values::<&str>(&[]).set(height);
            }
        }
    });
    let owner = async {
        scrapes.recv().await.unwrap().answer(7.0);
    };
    let (text, ()) = tokio::join!(metrics.scrape(), owner);
    assert!(String::from_utf8(text).unwrap().contains("\nheight 7\n"));

    drop(scrapes);
    let text = metrics.scrape().await;
    assert!(
        String::from_utf8(text).unwrap().contains("\nheight 7\n"),
        "the task is gone"
    );
}
