//! Finding a free address: the decision alone, without a cluster, as `core/benches/search.rs` measures it.

use anyhow::{Context, Result};
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::command;
use tokio::process::Command;

use super::{Amount, Row};
use crate::figure::{Figure, Reading, Unit};

const IPV4: Figure = Figure::new("a free address of an IPv4 /8, median", Unit::Nanoseconds).at_most(10_000.0);
const IPV6: Figure =
    Figure::new("a free address of an IPv6 /64, median", Unit::Nanoseconds).at_most(10_000.0);
const CYCLE: Figure = Figure::new(
    "find, give and take back one of an IPv4 /8, median",
    Unit::Nanoseconds,
);

/// The functions of the benchmark, which name its lines.
const FUNCTIONS: [(&str, Figure); 3] = [
    ("ipv4_slash_8", IPV4),
    ("ipv6_slash_64", IPV6),
    ("whole_cycle", CYCLE),
];

pub(super) static ROW: Row = Row {
    name: "search",
    about: "the search alone, with 100,000 addresses of the pool taken",
    figures: &[IPV4, IPV6, CYCLE],
    amount: Amount {
        ours: 100_000,
        upstream: None,
        because: "",
    },
    measure: |_, _| Box::pin(measure()),
};

async fn measure() -> Result<Vec<Reading>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut bench = Command::new(cargo);
    bench
        .args(["bench", "--quiet", "--bench", "search"])
        .current_dir(Layout::of_this_checkout().checkout());
    let said = command::finish(bench, None).await?;
    FUNCTIONS
        .iter()
        .map(|(function, figure)| {
            let median = median(&said, function)
                .with_context(|| format!("the median of {function} is not in:\n{said}"))?;
            Ok(figure.is(median))
        })
        .collect()
}

/// The median of a function in nanoseconds, from a table of divan: name, fastest │ slowest │ median │ ...
fn median(table: &str, function: &str) -> Option<f64> {
    let line = table
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == function))?;
    let mut words = line.split('│').nth(2)?.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let nanoseconds = match words.next()? {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    Some(number * nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_read_from_the_table() {
        let table = "\
search            fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ ipv4_slash_8   98.1 ns       │ 21.09 µs      │ 1.5 µs        │ 1.6 µs        │ 100     │ 100
╰─ ipv6_slash_64  98.1 ns       │ 21.09 µs      │ 98.5 ns       │ 1.6 µs        │ 100     │ 100
";
        assert_eq!(median(table, "ipv4_slash_8"), Some(1500.0));
        assert_eq!(median(table, "ipv6_slash_64"), Some(98.5));
        assert_eq!(median(table, "ipv4"), None);
    }
}
