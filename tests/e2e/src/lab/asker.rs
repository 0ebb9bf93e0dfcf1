//! A client that asks all the time where an address is.
//!
//! Owns: what its questions and the answers to them say about silence and about two owners.
//! Never: judges: how long is too long is the test's to say.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Child;

use super::client::{Capture, Client};
use crate::cluster::address::{CLIENT_IPV4, INTERFACE};

/// Seconds between two questions.
const INTERVAL: &str = "0.005";
/// Answers of different owners that are no further apart are of two owners at a time.
const ALTERNATION: Duration = Duration::from_millis(200);
const DAY: Duration = Duration::from_hours(24);

/// Asks until it is stopped, or dropped.
#[derive(Debug)]
pub struct Asker {
    address: Ipv4Addr,
    capture: Capture,
    arping: Child,
}

/// What it heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// How often it asked.
    pub questions: usize,
    /// How often it got an answer. Fewer than questions mean that some were in vain; while two owners answer, there are
    /// more.
    pub answers: usize,
    /// The longest time from a question to the next answer, be it to this question or to a later one.
    pub longest_silence: Duration,
    /// Who answered, by hardware address, one after the other.
    pub owners: Vec<String>,
    /// The longest time in which answers of different owners alternated.
    pub longest_overlap: Duration,
    /// How often somebody answered though another one was the last to tell everybody that it has the address: a former
    /// owner that goes on.
    pub outdated: BTreeMap<String, usize>,
}

impl Client {
    /// Starts to ask where `address` is, all 5 milliseconds.
    ///
    /// # Errors
    /// If tcpdump or arping cannot be started.
    pub async fn ask_all_the_time(&self, address: Ipv4Addr) -> Result<Asker> {
        let capture = self.capture(&format!("arp host {address}")).await?;
        let text = address.to_string();
        let mut command = self
            .entry
            .command(["arping", "-q", "-W", INTERVAL, "-i", INTERFACE, &text]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let arping = command.spawn().context("cannot start arping")?;
        Ok(Asker {
            address,
            capture,
            arping,
        })
    }
}

impl Asker {
    /// Stops asking.
    ///
    /// # Errors
    /// If one of the programs ended early.
    pub async fn stop(mut self) -> Result<Heard> {
        ensure!(self.arping.try_wait()?.is_none(), "arping ended early");
        self.arping.kill().await?;
        let lines = self.capture.stop().await?;
        let heard = Heard::of(&lines, self.address);
        ensure!(heard.questions > 0, "nothing was asked: {lines:?}");
        Ok(heard)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Asked,
    Answered(String),
    Told(String),
}

impl Heard {
    fn of(lines: &[String], address: Ipv4Addr) -> Self {
        let mut heard = Self::default();
        let mut waits: Option<Duration> = None;
        // When another one answered than before.
        let mut first_change = Duration::ZERO;
        let mut last_change = None;
        let mut owner = None;
        let mut told = None;
        for (at, said) in lines.iter().filter_map(|line| parse(line, address)) {
            let mac = match said {
                Said::Asked => {
                    heard.questions += 1;
                    waits = waits.or(Some(at));
                    continue;
                }
                Said::Told(mac) => {
                    told = Some(mac);
                    continue;
                }
                Said::Answered(mac) => mac,
            };
            heard.answers += 1;
            if told.as_ref().is_some_and(|told| *told != mac) {
                *heard.outdated.entry(mac.clone()).or_default() += 1;
            }
            let silence = waits.take().map_or(Duration::ZERO, |asked| since(asked, at));
            heard.longest_silence = heard.longest_silence.max(silence);
            if owner.as_ref() == Some(&mac) {
                continue;
            }
            if owner.is_none() {
                heard.owners.push(mac.clone());
                owner = Some(mac);
                continue;
            }
            if last_change.is_none_or(|last| since(last, at) > ALTERNATION) {
                first_change = at;
                heard.owners.push(mac.clone());
            } else if let Some(latest) = heard.owners.last_mut() {
                latest.clone_from(&mac);
            }
            heard.longest_overlap = heard.longest_overlap.max(since(first_change, at));
            last_change = Some(at);
            owner = Some(mac);
        }
        heard
    }
}

/// When tcpdump saw it, as the time of day, and what it is, if it is the client's question or an answer to it.
fn parse(line: &str, address: Ipv4Addr) -> Option<(Duration, Said)> {
    let (time, rest) = line.split_once(' ')?;
    let mut parts = time.split([':', '.']).map(str::parse::<u64>);
    let mut part = || parts.next()?.ok();
    let (hours, minutes, seconds, micros) = (part()?, part()?, part()?, part()?);
    let at = Duration::from_secs(hours * 3600 + minutes * 60 + seconds) + Duration::from_micros(micros);
    // Others tell everybody what they have without being asked.
    let asks = rest.contains(&format!("who-has {address} ")); // a unicast one names the MAC behind it
    if asks && rest.contains(&format!("tell {CLIENT_IPV4},")) {
        return Some((at, Said::Asked));
    }
    let (_, answer) = rest.split_once(&format!("Reply {address} is-at "))?;
    let to_all = rest.contains("> ff:ff:ff:ff:ff:ff");
    let mac = answer.split(',').next().unwrap_or_default();
    let said = if to_all { Said::Told } else { Said::Answered };
    Some((at, said(mac.to_owned())))
}

/// From one time of day to a later one, which may be on the next day.
fn since(earlier: Duration, later: Duration) -> Duration {
    later
        .checked_sub(earlier)
        .unwrap_or_else(|| (later + DAY).saturating_sub(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_CLIENT: &str = "> 0a:00:00:00:00:50, ethertype ARP (0x0806), length 42:";

    fn asked(time: &str) -> String {
        format!(
            "{time} 0a:00:00:00:00:50 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 58: Request who-has 172.30.205.1 tell 172.30.0.50, length 44"
        )
    }

    fn answered(time: &str, mac: &str) -> String {
        format!("{time} {mac} {TO_CLIENT} Reply 172.30.205.1 is-at {mac}, length 28")
    }

    fn heard(lines: &[String]) -> Heard {
        Heard::of(lines, Ipv4Addr::new(172, 30, 205, 1))
    }

    #[test]
    fn silence_is_from_a_question_to_the_next_answer_of_anybody() {
        let told = "23:59:59.500000 m1 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Reply 172.30.205.1 is-at m1, length 28";
        let lines = [
            asked("23:59:59.000000"),
            answered("23:59:59.001000", "m1"),
            asked("23:59:59.999000"),
            told.to_owned(),
            asked("00:00:00.004000"),
            answered("00:00:00.005000", "m2"),
        ];
        let expected = Heard {
            questions: 3,
            answers: 2,
            longest_silence: Duration::from_millis(6),
            owners: vec!["m1".to_owned(), "m2".to_owned()],
            longest_overlap: Duration::ZERO,
            outdated: [("m2".to_owned(), 1)].into(),
        };
        assert_eq!(heard(&lines), expected);
    }

    #[test]
    fn whoever_goes_on_after_another_has_told_is_outdated() {
        let told = |time, mac| {
            format!(
                "{time} {mac} > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Reply 172.30.205.1 is-at {mac}, length 28"
            )
        };
        let mut lines = vec![
            answered("00:00:01.000000", "m1"),
            told("00:00:02.000000", "m2"),
            answered("00:00:02.100000", "m2"),
            told("00:00:03.000000", "m1"),
            answered("00:00:03.100000", "m1"),
        ];
        assert_eq!(heard(&lines).outdated, BTreeMap::new());
        lines.insert(3, answered("00:00:02.200000", "m1"));
        assert_eq!(heard(&lines).outdated, [("m1".to_owned(), 1)].into());
    }

    #[test]
    fn answers_that_alternate_are_of_two_owners_at_a_time() {
        let answers = ["m1", "m2", "m1", "m2", "m2"].iter().enumerate();
        let mut lines: Vec<_> = answers
            .map(|(n, mac)| answered(&format!("00:00:0{}.{}00000", 1 + n / 20, n / 2), mac))
            .collect();
        lines.push(answered("00:00:09.000000", "m1"));
        let found = heard(&lines);
        assert_eq!(found.owners, ["m1", "m2", "m1"]);
        assert_eq!(found.longest_overlap, Duration::from_millis(100));
    }
}
