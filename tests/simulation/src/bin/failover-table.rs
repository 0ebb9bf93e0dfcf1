//! Measures failover on the simulated network and writes the tables of docs/failover.md.
//!
//! `failover-table [PAGE] [SIZE..]`: without a page the tables are printed; without sizes all are measured. The same code
//! gives the same tables, whatever the machine, since every clock in it is virtual. What is done, and what it found, is told
//! on the way: the largest size takes longer than all others together.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use metallb_protocol::failover::{self, Settings};
use metallb_simulation::cluster::Noticed;
use metallb_simulation::{Cluster, Conditions};

/// Between these lines of the page the tables are.
const BEGIN: &str = "<!-- written by make failover-table: begin -->";
const END: &str = "<!-- written by make failover-table: end -->";

/// What is measured for a size of cluster. Fewer deaths and shorter watches for the large ones, where each costs as many
/// times more to simulate.
#[derive(Clone, Copy)]
struct Plan {
    size: usize,
    deaths: usize,
    /// How long nobody dies on the rough network.
    watch_minutes: u64,
}

const PLANS: [Plan; 5] = [
    Plan {
        size: 3,
        deaths: 400,
        watch_minutes: 24 * 60,
    },
    Plan {
        size: 10,
        deaths: 300,
        watch_minutes: 24 * 60,
    },
    Plan {
        size: 100,
        deaths: 200,
        watch_minutes: 150,
    },
    Plan {
        size: 500,
        deaths: 60,
        watch_minutes: 15,
    },
    Plan {
        size: 2_000,
        deaths: 20,
        watch_minutes: 3,
    },
];

/// The numbers that members go by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    Default,
    /// Not for networks that lose anything.
    Fast,
}

const PROFILES: [Profile; 2] = [Profile::Default, Profile::Fast];

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fast => "fast",
        }
    }

    fn settings(self) -> Settings {
        match self {
            Self::Default => Settings::default(),
            Self::Fast => Settings::fast(),
        }
    }

    fn networks(self) -> &'static [(&'static str, Conditions)] {
        match self {
            Self::Default => &[("good", Conditions::LAN), ("rough", Conditions::ROUGH)],
            Self::Fast => &[("good", Conditions::LAN)],
        }
    }
}

/// What was found for one size and profile.
#[derive(Default)]
struct Tables {
    detection: String,
    traffic: String,
    quiet: String,
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let page = arguments.next_if(|argument| argument.parse::<usize>().is_err());
    let sizes: Vec<usize> = arguments.filter_map(|argument| argument.parse().ok()).collect();
    let plans = PLANS
        .into_iter()
        .filter(|plan| sizes.is_empty() || sizes.contains(&plan.size));
    let found: Vec<Tables> = std::thread::scope(|scope| {
        let running: Vec<_> = plans
            .flat_map(|plan| PROFILES.map(|profile| (plan, profile)))
            .map(|(plan, profile)| scope.spawn(move || measure(plan, profile)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect()
    });
    let text = render(&found);
    let Some(page) = page else {
        println!("{text}");
        return Ok(());
    };
    write_into(&page, &text)
}

/// Tells on the way how far a part of the work is.
struct Progress {
    part: String,
    since: Instant,
}

impl Progress {
    fn tell(&self, what: &str) {
        let Self { part, since } = self;
        eprintln!("== [{:4} s] {part}: {what}", since.elapsed().as_secs());
    }
}

fn measure(plan: Plan, profile: Profile) -> Tables {
    let size = plan.size;
    let mut tables = Tables::default();
    let progress = Progress {
        part: format!("{size} members, {}", profile.name()),
        since: Instant::now(),
    };
    let Some(mut cluster) = Cluster::start(profile.settings(), size, 0, size as u64) else {
        let _ = writeln!(
            tables.detection,
            "| {size} | {} | did not come up | | | | |",
            profile.name()
        );
        return tables;
    };
    progress.tell("all know all");
    // Until the news of everybody's coming has gone round.
    cluster
        .network
        .run(Duration::from_secs(if size > 100 { 60 } else { 10 }));
    traffic(&mut cluster, profile.name(), &mut tables.traffic);
    progress.tell(tables.traffic.trim_end());
    for (network, conditions) in profile.networks() {
        let (next, all, unknown) = deaths(&mut cluster, *conditions, plan.deaths);
        let row = format!(
            "| {size} | {} | {network} | {} | {} | {} | {unknown} |",
            profile.name(),
            plan.deaths,
            percentiles(next),
            percentiles(all),
        );
        progress.tell(&row);
        let _ = writeln!(tables.detection, "{row}");
    }
    if profile == Profile::Default {
        quiet(&mut cluster, plan, &mut tables.quiet);
        progress.tell(tables.quiet.trim_end());
    }
    tables
}

/// What each member sends while nothing happens, and at most at one moment while the cluster came together.
fn traffic(cluster: &mut Cluster, profile: &str, table: &mut String) {
    let size = cluster.network.len();
    let count = |cluster: &Cluster| -> Vec<(u64, u64)> {
        let one = |place| (cluster.network.datagrams(place), cluster.network.received(place));
        (0..size).map(one).collect()
    };
    let seconds = 20;
    let before = count(cluster);
    cluster.network.run(Duration::from_secs(seconds));
    let after = count(cluster);
    let sent = || {
        after
            .iter()
            .zip(&before)
            .map(|(after, before)| (after.0 - before.0) / seconds)
    };
    let received = || {
        after
            .iter()
            .zip(&before)
            .map(|(after, before)| (after.1 - before.1) / seconds)
    };
    let burst = (0..size)
        .map(|place| cluster.network.burst(place))
        .max()
        .unwrap_or(0);
    let mean = sent().sum::<u64>() / size as u64;
    let most = |all: &mut dyn Iterator<Item = u64>| all.max().unwrap_or(0);
    let _ = writeln!(
        table,
        "| {size} | {profile} | {mean} | {} | {} | {burst} |",
        most(&mut sent()),
        most(&mut received())
    );
}

/// Kills some at once, one in a hundred or one, and starts them again, until so many have died. How long another one by
/// chance took to notice each death, how long the last one took, and how many deaths were not noticed by all within two
/// seconds.
fn deaths(
    cluster: &mut Cluster,
    conditions: Conditions,
    count: usize,
) -> (Vec<Duration>, Vec<Duration>, usize) {
    let size = cluster.network.len();
    let mut random = fastrand::Rng::with_seed(count as u64);
    let (mut next, mut all, mut unknown) = (Vec::new(), Vec::new(), 0);
    let at_once = (size / 100).max(1);
    for _ in 0..count / at_once {
        cluster.network.set_conditions(conditions);
        cluster
            .network
            .run(Duration::from_micros(random.u64(1_000_000..2_000_000)));
        let victims = random.choose_multiple(0..size, at_once);
        for found in cluster.kill_and_measure(&victims, Duration::from_secs(2)) {
            if found.len() + at_once < size {
                unknown += 1;
            } else {
                next.push(found[random.usize(0..found.len())].1);
                all.extend(found.iter().map(|(_, took)| *took).max());
            }
        }
        cluster.network.set_conditions(Conditions::LAN);
        for victim in victims {
            cluster.restart(victim);
        }
        cluster.settle(Duration::from_mins(1));
    }
    (next, all, unknown)
}

/// Nobody dies on a rough network: how often somebody is declared dead or stops announcing all the same.
fn quiet(cluster: &mut Cluster, plan: Plan, table: &mut String) {
    cluster.network.set_conditions(Conditions::LAN);
    cluster.network.run(Duration::from_secs(2));
    cluster.network.set_conditions(Conditions::ROUGH);
    cluster.noticed();
    let is_failure = |noticed: &Noticed| {
        use metallb_protocol::memberlist::Event::Failed;
        matches!(
            &noticed.what,
            failover::Event::Member(Failed(_)) | failover::Event::Standing(_)
        )
    };
    let mut failures = 0;
    for _ in 0..plan.watch_minutes {
        cluster.network.run(Duration::from_mins(1));
        failures += cluster
            .noticed()
            .iter()
            .filter(|noticed| is_failure(noticed))
            .count();
    }
    let watches = plan.size * (plan.size - 1).min(3);
    let watched_hours = watches as u64 * plan.watch_minutes / 60;
    let _ = writeln!(
        table,
        "| {} | {} min | {watched_hours} | {failures} |",
        plan.size, plan.watch_minutes
    );
}

/// The nearest ranks of the half, of 99 of a hundred, and the longest, in milliseconds.
fn percentiles(mut all: Vec<Duration>) -> String {
    all.sort();
    let rank = |percent: usize| {
        let place = (all.len() * percent).div_ceil(100).saturating_sub(1);
        all.get(place).map_or(0, Duration::as_millis)
    };
    format!("{} / {} / {}", rank(50), rank(99), rank(100))
}

fn render(found: &[Tables]) -> String {
    let join = |part: fn(&Tables) -> &str| found.iter().map(part).collect::<String>();
    format!(
        "### From a death until it is known\n\n\
         Milliseconds, p50 / p99 / longest.\n\n\
         | members | profile | network | deaths | the next owner knows | all know | not within 2 s |\n\
         |---:|---|---|---:|---:|---:|---:|\n{}\n\
         ### What each member sends\n\n\
         Datagrams a second while nothing happens, and the most at one millisecond since the start.\n\n\
         | members | profile | sent, mean | sent, most | received, most | burst |\n\
         |---:|---|---:|---:|---:|---:|\n{}\n\
         ### Mistakes on the rough network\n\n\
         Nobody dies. A mistake is a member declared dead, or one that stops announcing.\n\n\
         | members | simulated | hours of one watching another | mistakes |\n\
         |---:|---:|---:|---:|\n{}",
        join(|tables| &tables.detection),
        join(|tables| &tables.traffic),
        join(|tables| &tables.quiet),
    )
}

fn write_into(page: &str, text: &str) -> std::io::Result<()> {
    let before = std::fs::read_to_string(page)?;
    let missing = || std::io::Error::other(format!("{page} has no lines {BEGIN} and {END}"));
    let (head, rest) = before.split_once(BEGIN).ok_or_else(missing)?;
    let (_, tail) = rest.split_once(END).ok_or_else(missing)?;
    std::fs::write(page, format!("{head}{BEGIN}\n\n{text}\n{END}{tail}"))
}
