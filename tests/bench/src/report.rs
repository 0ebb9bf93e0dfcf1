//! The table.
//!
//! Owns: its form on the screen and in `docs/benchmarks.md`.
//! Never: judges: it says which target was missed, by how much is for the reader to see.

use std::fmt::Write;

use crate::bench::Readings;
use crate::figure::Figure;
use crate::machine::Machine;
use crate::rows::Row;
use crate::stack::Stack;

const HEAD: [&str; 6] = ["row", "figure", "target", "ours", "upstream", "upstream : ours"];

/// The table as text with aligned columns. It is Markdown as well.
pub fn table(rows: &[&Row], readings: &Readings) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    for row in rows {
        for (place, figure) in row.figures.iter().enumerate() {
            let name = if place == 0 {
                format!("`{}`", row.name)
            } else {
                String::new()
            };
            lines.push(line(name, row, figure, readings));
        }
    }
    let widths: [usize; HEAD.len()] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            // Words to the left, numbers to the right.
            let _ = match column {
                0 | 1 => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.into_iter().enumerate() {
                let dashes = "-".repeat(width);
                let _ = match column {
                    0 | 1 => write!(text, "|-{dashes}-"),
                    _ => write!(text, "|-{dashes}:"),
                };
            }
            text.push_str("|\n");
        }
    }
    text
}

fn line(name: String, row: &Row, figure: &Figure, readings: &Readings) -> [String; HEAD.len()] {
    let of = |stack: Stack| readings.get(&(stack.name(), row.name, figure.what)).copied();
    let (ours, upstream) = (of(Stack::Ours), of(Stack::Upstream));
    let show = |value: f64| figure.unit.show(value);
    let target = figure
        .target
        .map_or_else(String::new, |target| format!("≤ {}", show(target)));
    let missed = |value: f64| figure.target.is_some_and(|target| value > target);
    let own = ours.map_or_else(dash, |value| {
        let mark = if missed(value) { " (missed)" } else { "" };
        format!("{}{mark}", show(value))
    });
    let other = upstream.map_or_else(dash, |value| {
        let amount = row.amount(Stack::Upstream).filter(|_| !row.is_fair());
        let note = amount.map_or_else(String::new, |amount| format!(" with {amount}"));
        format!("{}{note}", show(value))
    });
    let ratio = match ours.zip(upstream) {
        Some((ours, upstream)) if ours > 0.0 && upstream > 0.0 => {
            let ratio = upstream / ours;
            let digits = usize::from(ratio < 10.0);
            format!("{ratio:.digits$} : 1")
        }
        _ => String::new(),
    };
    [name, figure.what.to_owned(), target, own, other, ratio]
}

fn dash() -> String {
    "-".to_owned()
}

/// `docs/benchmarks.md`.
pub fn document(rows: &[&Row], readings: &Readings, machine: &Machine) -> String {
    let mut text = HEADER.to_owned();
    for (what, value) in [
        ("Machine", &machine.hardware),
        ("Kernel", &machine.kernel),
        ("Kubernetes", &machine.kubernetes),
        ("Ours", &machine.ours),
        ("Upstream", &machine.upstream),
        ("Date", &machine.date),
    ] {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    let _ = write!(text, "\n## Figures\n\n{}\n## Rows\n\n", table(rows, readings));
    for row in rows {
        let _ = write!(text, "- `{}`: {}.", row.name, row.about);
        if let (false, Some(amount)) = (row.is_fair(), row.amount(Stack::Upstream)) {
            let _ = write!(text, " Upstream with {amount}: {}.", row.because());
        }
        text.push('\n');
    }
    text.push_str(METHOD);
    text
}

const HEADER: &str = "\
# Benchmarks

Written by `make bench`: it measures this MetalLB and upstream's, one after the other on the same cluster, with the same
code. Figures of different machines, or of different runs, do not compare; the ratios do. `make bench ONLY=announce,arp`
measures some rows and prints them only.

| | |
|---|---|
";

const METHOD: &str = "
## Method

- The cluster is the one of `make cluster-up`: API server, etcd and three nodes with kubelet, containerd and kube-proxy
  share the machine's processors, so that the API server's own work is part of every latency. Each node, the
  control plane and what measures have the same part of them when all want some.
- Upstream's controller and speaker are built from the Go module `go.universe.tf/metallb`, and installed with the
  manifest of its native mode, unchanged. The types of frr-k8s, which it only uses in the mode of that name, are
  replaced by a stand-in (`tests/e2e/components/metallb/frr-k8s`). Ours are the release images, installed by the
  operator with default settings.
- Each row has a namespace, a pool of 16,384 addresses and an announcement of its own, which are gone before the next.
  It begins when the implementation has used less than a tenth of a processor for half a second.
- *Create* is the moment before the request leaves; *address* the moment when a watch brings the Service with an address
  in its status. The create's own time at the API server is in both, and it grows with the number of Services: for each
  ClusterIP it gives, the API server of Kubernetes 1.36 walks over all that are taken. The rows say how long the create
  itself took, and how long it took from the moment when the watch brought the Service, before which no implementation
  can do anything, until it brought the address.
- An *ARP answer* is a reply to the client, a machine on the segment that is no node. It asks every millisecond with a
  packet socket until somebody answers. Nobody may announce an address before one of its endpoints is ready, and Kubernetes'
  own controller writes these: where they come after the address, the answer waits for them. The rows say when they came.
- The Services of `allocate-500`, `one-at-5000` and `restart-10000` have no endpoints, and kube-proxy is told to leave
  them alone. Those whose announcement is measured lead to three ready web servers.
- A controller's start is the start of its process; between SIGKILL and that, the kubelet notices and starts it.
- Resident memory is VmRSS, in units of 1,000,000 bytes. Upstream is installed without its operator.
- Percentiles are nearest rank. The code is in `tests/bench`, one file for each row.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    fn readings(readings: &[(&'static str, &'static str, &'static str, f64)]) -> Readings {
        let reading = |(stack, row, what, value): &(_, _, _, _)| ((*stack, *row, *what), *value);
        readings.iter().map(reading).collect()
    }

    #[test]
    fn the_table_shows_ratios_targets_and_unequal_amounts() {
        let rows = rows::named("one-at-5000").unwrap();
        let (place, half) = rows[0]
            .figures
            .iter()
            .enumerate()
            .find(|(_, figure)| figure.target == Some(15.0))
            .unwrap();
        let half = half.what;
        let table = table(
            &rows,
            &readings(&[
                ("ours", "one-at-5000", half, 20.0),
                ("upstream", "one-at-5000", half, 1341.0),
            ]),
        );
        assert!(table.lines().nth(2).unwrap().starts_with("| `one-at-5000` "));
        let line = table.lines().nth(2 + place).unwrap();
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(
            cells,
            [
                "",
                half,
                "≤ 15.0 ms",
                "20.0 ms (missed)",
                "1,341 ms with 500",
                "67 : 1"
            ]
        );
        assert_eq!(table.lines().count(), 2 + rows[0].figures.len());
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let rows = rows::named("search").unwrap();
        let table = table(&rows, &Readings::new());
        assert!(table.lines().nth(2).unwrap().contains("    - |"), "{table}");
    }

    #[test]
    fn the_document_says_where_upstream_got_less() {
        let rows = rows::named("").unwrap();
        let text = document(&rows, &Readings::new(), &Machine::default());
        assert!(text.contains("Upstream with 500:"), "{text}");
        for row in rows {
            assert!(text.contains(&format!("- `{}`: ", row.name)), "{}", row.name);
        }
    }
}
