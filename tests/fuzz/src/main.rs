//! `fuzz SECONDS [TARGET..]`: each decoder, or those that are named, for so many seconds.

use std::time::Duration;

use anyhow::{Context, bail};
use metallb_fuzz::{Length, TARGETS};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().context("usage: fuzz SECONDS [TARGET..]")?;
    let seconds: u64 = seconds
        .parse()
        .with_context(|| format!("{seconds} is not a number of seconds"))?;
    let named: Vec<String> = args.collect();
    if let Some(unknown) = named
        .iter()
        .find(|name| TARGETS.iter().all(|target| target.name != **name))
    {
        bail!(
            "{unknown} is none of {}",
            TARGETS.each_ref().map(|target| target.name).join(", ")
        );
    }
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for target in &TARGETS {
        if named.is_empty() || named.iter().any(|name| name == target.name) {
            let report = target.run(Length::Time(Duration::from_secs(seconds)), seed)?;
            println!(
                "{:16} {:>12} inputs, {:>5} outcomes, at most {:>8} bytes",
                target.name, report.inputs, report.outcomes, report.most_bytes
            );
        }
    }
    Ok(())
}
