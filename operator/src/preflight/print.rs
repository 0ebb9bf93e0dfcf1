//! The report as people read it. Owns the layout alone.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::addresses::{Addresses, Moving, Waiting};
use super::report::{Report, Weight};

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    let mut lines = Lines::default();
    lines.head("Runs already");
    if report.installations.is_empty() {
        lines.item("nothing");
    }
    for (installation, workloads) in &report.installations {
        lines.item(installation);
        for workload in workloads {
            lines.detail(workload);
        }
    }
    match &report.services {
        Some(services) => addresses(&mut lines, services),
        None => lines.head("Addresses: cannot tell, see below"),
    }
    for (weight, title) in [(Weight::Todo, "To do"), (Weight::Note, "Changes by itself")] {
        let findings = report.findings.iter().filter(|finding| finding.weight == weight);
        for (index, finding) in findings.enumerate() {
            if index == 0 {
                lines.head(title);
            }
            lines.item(&format!("{}: {}", finding.subject, finding.message));
            if let Some(step) = &finding.step {
                lines.detail(&format!("-> {step}"));
            }
        }
    }
    if report.is_clear() {
        lines.head("Nothing has to be done.");
    }
    lines.0
}

fn addresses(lines: &mut Lines, services: &Addresses) {
    let Addresses {
        kept,
        moving,
        waiting,
        of_other_classes,
    } = services;
    let mut head = format!(
        "Addresses: {} kept, {} moved",
        count(*kept, "Service"),
        moving.len()
    );
    if !waiting.is_empty() {
        let _ = write!(head, ", {} without", waiting.len()); // writing to a String cannot fail
    }
    if *of_other_classes > 0 {
        let _ = write!(head, ", {of_other_classes} of another class");
    }
    lines.head(&head);
    for Moving {
        service,
        from,
        to,
        why,
    } in moving
    {
        lines.item(&format!("{service}: {} -> {}", joined(from), joined(to)));
        lines.detail(why);
    }
    for Waiting { service, why } in waiting {
        lines.item(&format!("{service} has none"));
        lines.detail(why);
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("{number} {what}")
    } else {
        format!("{number} {what}s")
    }
}

fn joined(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn head(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line("", text);
    }

    fn item(&mut self, text: &str) {
        self.line("  ", text);
    }

    fn detail(&mut self, text: &str) {
        self.line("      ", text);
    }

    fn line(&mut self, indent: &str, text: &str) {
        self.0.push_str(indent);
        self.0.push_str(text);
        self.0.push('\n');
    }
}
