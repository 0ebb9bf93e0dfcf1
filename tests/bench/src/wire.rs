//! ARP as a client on the segment sees it.
//!
//! Owns: a thread in the client's network namespace, and the clock readings around each request and answer.
//! Never: asks Kubernetes anything.

mod bare;

use std::fs::File;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use metallb_e2e::cluster::address::{CLIENT, CLIENT_IPV4, INTERFACE};
use metallb_e2e::lab::Lab;
use metallb_sys::{PacketSocket, Targets, Traffic};
use nix::sched::{CloneFlags, setns};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use self::bare::BareAnswerer;

/// A hardware address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
/// Ethernet header and ARP packet for IPv4 over Ethernet (RFC 826).
const FRAME_BYTES: usize = 42;
/// Between two requests while nobody answers: what a first answer is late at most because nobody had asked. The timer counts
/// in milliseconds and rounds up: it becomes one, where a whole one becomes two.
const ASKING_INTERVAL: Duration = Duration::from_micros(100);
/// Between two requests that are answered, so that each finds the answering process asleep, as a client does.
const PAUSE: Duration = Duration::from_millis(2);
/// Between two bursts of a flood, which are as long as that makes them.
const FLOOD_INTERVAL: Duration = Duration::from_micros(100);
/// A request that is not answered in this time is lost.
const LOST: Duration = Duration::from_millis(500);

/// The interface of a machine on the segment.
#[derive(Clone, Copy, Debug)]
struct Link {
    index: u32,
    mac: Mac,
}

impl Link {
    /// What to run on the machine to learn of it.
    const SHOW: [&str; 6] = ["ip", "-json", "link", "show", "dev", INTERFACE];

    /// From what that prints.
    fn shown(said: &str) -> Result<Self> {
        parse_link(said).with_context(|| format!("{INTERFACE} is not in: {said}"))
    }

    /// Moves the thread into the namespace of its machine, where it is of no use to others any more, and opens a socket.
    fn enter(self, namespace: &str, traffic: Traffic, targets: &Targets) -> Result<(Runtime, PacketSocket)> {
        let path = format!("/run/netns/{namespace}");
        let namespace = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {path}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let socket = {
            let _inside = runtime.enter();
            PacketSocket::open(self.index, traffic, targets).context("cannot open a packet socket")?
        };
        Ok((runtime, socket))
    }
}

/// The client, by its interface.
#[derive(Clone, Copy, Debug)]
pub struct Client(Link);

impl Client {
    /// Finds it.
    ///
    /// # Errors
    /// If the lab has no client.
    pub async fn of(lab: &Lab) -> Result<Self> {
        Link::shown(&lab.client()?.run(Link::SHOW).await?).map(Self)
    }

    /// Runs `work` with a socket on the client's interface, in a thread of its own.
    ///
    /// # Errors
    /// Those of `work`, and if the socket cannot be opened.
    pub async fn ask<T: Send + 'static>(
        self,
        work: impl AsyncFnOnce(&mut Asker) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, result) = oneshot::channel();
        std::thread::spawn(move || {
            let Self(link) = self;
            let entered = link.enter(CLIENT, Traffic::ArpReplies, &Targets::all());
            let outcome = entered.and_then(|(runtime, socket)| {
                let mac = link.mac;
                runtime.block_on(work(&mut Asker { socket, mac }))
            });
            let _ = sender.send(outcome); // nobody waits if the measurement was given up
        });
        result
            .await
            .map_err(|_| anyhow!("the client's thread panicked"))?
    }
}

/// Asks who has an address.
#[derive(Debug)]
pub struct Asker {
    socket: PacketSocket,
    mac: Mac,
}

impl Asker {
    /// Asks until somebody answers, and returns when that was.
    ///
    /// # Errors
    /// If nobody does within `limit`.
    pub async fn first_answer(&mut self, address: Ipv4Addr, limit: Duration) -> Result<Instant> {
        let (answered, _) = self.answer_of(address, |_| true, limit).await?;
        Ok(answered)
    }

    /// Asks until one of those answers, and returns when that was and who.
    ///
    /// # Errors
    /// If none does within `limit`.
    pub async fn answer_of(
        &mut self,
        address: Ipv4Addr,
        right: impl Fn(Mac) -> bool,
        limit: Duration,
    ) -> Result<(Instant, Mac)> {
        let started = Instant::now();
        while started.elapsed() < limit {
            self.send(address)?;
            let answer = async {
                loop {
                    let (answered, mac) = self.answer(address).await?;
                    if right(mac) {
                        return Ok((answered, mac));
                    }
                }
            };
            if let Ok(answered) = timeout(ASKING_INTERVAL, answer).await {
                return answered;
            }
        }
        bail!("nobody answers for {address} after {} s", limit.as_secs())
    }

    /// The time from request to answer, for each of `count` requests that is answered.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn latencies(&mut self, address: Ipv4Addr, count: usize) -> Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let asked = Instant::now();
            self.send(address)?;
            if let Ok(answered) = timeout(LOST, self.answer(address)).await {
                latencies.push(answered?.0 - asked);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(latencies)
    }

    /// Asks `count` times for addresses that nobody has, not faster than `each_second`, and returns how long it took.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn flood(&mut self, count: usize, each_second: u32) -> Result<Duration> {
        let (started, mut sent) = (Instant::now(), 0);
        let second = Duration::from_secs(1);
        while sent < count {
            let due = started.elapsed().as_nanos() * u128::from(each_second) / second.as_nanos();
            let due = usize::try_from(due)?.min(count);
            while sent < due && self.send(nobodys(sent))? {
                sent += 1;
            }
            tokio::time::sleep(FLOOD_INTERVAL).await;
        }
        Ok(started.elapsed())
    }

    /// Whether there was room: a full queue is a lost request.
    fn send(&self, address: Ipv4Addr) -> Result<bool> {
        match self.socket.try_send(&request(self.mac, address)) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                Err(error).context("cannot send an ARP request")
            }
            sent => Ok(sent.unwrap_or_default()),
        }
    }

    async fn answer(&self, address: Ipv4Addr) -> Result<(Instant, Mac)> {
        let mut frame = [0; 128];
        loop {
            let length = poll_fn(|context| self.socket.poll_receive(context, &mut frame)).await?;
            let now = Instant::now();
            if is_answer(&frame[..length], self.mac, address) {
                let mut sender = Mac::default();
                sender.copy_from_slice(&frame[22..28]);
                return Ok((now, sender));
            }
        }
    }
}

/// One of 16,384 addresses of the segment that neither a machine nor a Service has.
fn nobodys(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number % 0x4000).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(172, 30, 192 + high, low)
}

/// Who has `address`? Tell the client.
fn request(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&[0x08, 0x06]); // ARP
    frame[14..22].copy_from_slice(&[0, 1, 0x08, 0, 6, 4, 0, 1]); // Ethernet, IPv4, their lengths, request
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&CLIENT_IPV4.octets());
    frame[38..].copy_from_slice(&address.octets());
    frame
}

/// Whether a reply is meant for the client and about this address; gratuitous ones go to everybody.
fn is_answer(frame: &[u8], mac: Mac, address: Ipv4Addr) -> bool {
    frame.len() >= FRAME_BYTES && frame[..6] == mac && frame[28..32] == address.octets()
}

/// Reads what `ip -json link show dev NAME` prints.
fn parse_link(json: &str) -> Option<Link> {
    let links: serde_json::Value = serde_json::from_str(json).ok()?;
    let link = links.get(0)?;
    let mut mac = Mac::default();
    let mut bytes = link["address"].as_str()?.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(bytes.next()?, 16).ok()?;
    }
    let index = u32::try_from(link["ifindex"].as_u64()?).ok()?;
    Some(Link { index, mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 64, 1);

    fn reply(to: Mac, about: Ipv4Addr) -> Vec<u8> {
        let mut frame = request([2, 0, 0, 0, 0, 9], CLIENT_IPV4).to_vec();
        frame[..6].copy_from_slice(&to);
        frame[21] = 2;
        frame[28..32].copy_from_slice(&about.octets());
        frame
    }

    #[test]
    fn only_a_reply_to_us_about_the_address_is_an_answer() {
        for (what, frame, expected) in [
            ("a reply", reply(OURS, ADDRESS), true),
            (
                "a padded reply",
                [reply(OURS, ADDRESS), vec![0; 18]].concat(),
                true,
            ),
            ("about another address", reply(OURS, Ipv4Addr::LOCALHOST), false),
            ("gratuitous", reply(BROADCAST, ADDRESS), false),
            ("cut off", reply(OURS, ADDRESS)[..41].to_vec(), false),
        ] {
            assert_eq!(is_answer(&frame, OURS, ADDRESS), expected, "{what}");
        }
    }

    #[test]
    fn the_interface_is_read_from_what_ip_prints() {
        let json = r#"[{"ifindex":7,"ifname":"eth0","address":"02:00:00:00:00:01","broadcast":"ff:ff:ff:ff:ff:ff"}]"#;
        let link = parse_link(json).unwrap();
        assert_eq!((link.index, link.mac), (7, OURS));
        assert!(parse_link("[{}]").is_none());
    }
}
