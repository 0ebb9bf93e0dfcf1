//! Which frames wake the process. Owns the classic BPF programs that the kernel runs on every frame of the interface,
//! so that only the few that may need an answer are copied.

use libc::{
    BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W,
    PACKET_MULTICAST, SKF_AD_OFF, SKF_AD_PKTTYPE,
};
use socket2::SockFilter;

use crate::Targets;

/// The kind of frame that a socket receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// ARP requests.
    ArpRequests,
    /// ARP replies: what a client waits for.
    ArpReplies,
    /// Neighbor Solicitations with a hop limit of 255, which proves that they were sent on this link
    /// (RFC 4861 §7.1.1).
    NeighborSolicitations,
}

/// Accepts a whole frame: no frame is longer.
const EVERYTHING: u32 = 0xffff;

impl Traffic {
    /// The EtherType that the socket is bound to.
    pub(crate) fn ether_type(self) -> u16 {
        match self {
            Self::ArpRequests | Self::ArpReplies => 0x0806,
            Self::NeighborSolicitations => 0x86dd,
        }
    }

    /// Where in the frame the last 32 bits of the address are that it is about.
    fn subject_offset(self) -> u32 {
        match self {
            Self::ArpRequests => 38,
            Self::ArpReplies => 28,
            Self::NeighborSolicitations => 74,
        }
    }

    /// The program. Offsets count from the Ethernet header; a load beyond the frame rejects it.
    pub(crate) fn filter(self, targets: &Targets) -> Vec<SockFilter> {
        let mut tests = vec![
            // To this station, broadcast or multicast. Not what passes by for other stations while somebody listens
            // promiscuously or that carries a VLAN tag for which there is no interface, and not what we send.
            Test::AtMost(
                load(BPF_B, ancillary(SKF_AD_PKTTYPE)),
                u32::from(PACKET_MULTICAST),
            ),
            Test::Equal(load(BPF_H, 12), u32::from(self.ether_type())),
        ];
        match self {
            // Operation: request.
            Self::ArpRequests => tests.push(Test::Equal(load(BPF_H, 20), 1)),
            // Operation: reply.
            Self::ArpReplies => tests.push(Test::Equal(load(BPF_H, 20), 2)),
            Self::NeighborSolicitations => tests.extend([
                // Next header: ICMPv6. Hop limit: 255. ICMPv6 type: Neighbor Solicitation.
                Test::Equal(load(BPF_B, 20), 58),
                Test::Equal(load(BPF_B, 21), 255),
                Test::Equal(load(BPF_B, 54), 135),
            ]),
        }
        assemble(tests, self.subject_offset(), targets)
    }
}

/// Something that must hold for a frame to be accepted.
enum Test {
    Equal(SockFilter, u32),
    AtMost(SockFilter, u32),
}

/// All tests must pass; then one range must hold the word at `offset`. Whoever is beyond the last range falls through to
/// the rejection.
fn assemble(tests: Vec<Test>, offset: u32, targets: &Targets) -> Vec<SockFilter> {
    let ranges = targets.ranges();
    // Two instructions for each test and each range, and the load between them.
    let reject = 2 * tests.len() + 1 + 2 * ranges.len();
    let accept = reject + 1;
    // A jump counts from the instruction after it.
    let to = |place: usize, from: usize| u8::try_from(place - from - 1).expect("ranges are few");
    let mut program = Vec::with_capacity(accept + 1);
    for test in tests {
        let from = program.len() + 1;
        match test {
            Test::Equal(load, value) => program.extend([load, jump(BPF_JEQ, 0, to(reject, from), value)]),
            Test::AtMost(load, value) => program.extend([load, jump(BPF_JGT, to(reject, from), 0, value)]),
        }
    }
    program.push(load(BPF_W, offset));
    for range in ranges {
        let from = program.len() + 1;
        program.extend([
            // Beyond this range: on to the next one.
            jump(BPF_JGT, 1, 0, *range.end()),
            jump(BPF_JGE, to(accept, from), to(reject, from), *range.start()),
        ]);
    }
    program.extend([
        instruction(BPF_RET | BPF_K, 0, 0, 0),
        instruction(BPF_RET | BPF_K, 0, 0, EVERYTHING),
    ]);
    program
}

fn load(size: u32, offset: u32) -> SockFilter {
    instruction(BPF_LD | size | BPF_ABS, 0, 0, offset)
}

fn jump(condition: u32, if_true: u8, if_false: u8, value: u32) -> SockFilter {
    instruction(BPF_JMP | condition | BPF_K, if_true, if_false, value)
}

fn instruction(code: u32, if_true: u8, if_false: u8, value: u32) -> SockFilter {
    SockFilter::new(
        u16::try_from(code).expect("operation codes have 16 bits"),
        if_true,
        if_false,
        value,
    )
}

/// The offset of what the kernel knows about a frame beside its bytes.
fn ancillary(field: i32) -> u32 {
    (SKF_AD_OFF + field).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// Runs the program in the kernel. Any socket runs it on what it receives, so no privilege is needed; only the
    /// kind of packet is always "to this station" here.
    fn accepts(traffic: Traffic, targets: &Targets, frame: &[u8]) -> bool {
        let (from, to) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();
        to.attach_filter(&traffic.filter(targets)).unwrap();
        to.set_nonblocking(true).unwrap();
        from.send(frame).unwrap();
        let mut received = [0; 2048];
        match (&to).read(&mut received) {
            Ok(len) => {
                assert_eq!(&received[..len], frame, "an accepted frame arrives whole");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }

    fn frame(len: usize, bytes: &[(usize, u8)]) -> Vec<u8> {
        let mut frame = vec![0; len];
        for (offset, byte) in bytes {
            frame[*offset] = *byte;
        }
        frame
    }

    #[test]
    fn only_requests_and_solicitations_wake_us() {
        let arp = |operation| frame(42, &[(12, 0x08), (13, 0x06), (21, operation)]);
        let ip = |header, hops, kind| {
            frame(
                86,
                &[(12, 0x86), (13, 0xdd), (20, header), (21, hops), (54, kind)],
            )
        };
        #[rustfmt::skip]
        let table = [
            ("ARP request",             arp(1),                            true,  false),
            ("ARP reply",               arp(2),                            false, false),
            ("solicitation",            ip(58, 255, 135),                  false, true),
            ("routed solicitation",     ip(58, 254, 135),                  false, false),
            ("advertisement",           ip(58, 255, 136),                  false, false),
            ("UDP over IPv6",           ip(17, 255, 135),                  false, false),
            ("long solicitation",       [ip(58, 255, 135), vec![7; 1400]].concat(), false, true),
            ("IPv4",                    frame(60, &[(12, 0x08)]),          false, false),
            ("ends in the EtherType",   arp(1)[..13].to_vec(),             false, false),
            ("ends in the operation",   arp(1)[..21].to_vec(),             false, false),
            ("ends before the type",    ip(58, 255, 135)[..54].to_vec(),   false, false),
        ];
        for (name, frame, requests, solicitations) in table {
            let accepts = |traffic| accepts(traffic, &Targets::covering([0]), &frame);
            assert_eq!(accepts(Traffic::ArpRequests), requests, "{name}");
            assert_eq!(accepts(Traffic::ArpReplies), name == "ARP reply", "{name}");
            assert_eq!(accepts(Traffic::NeighborSolicitations), solicitations, "{name}");
        }
    }

    #[test]
    fn only_frames_about_the_targets_wake_us() {
        let all = [
            Traffic::ArpRequests,
            Traffic::ArpReplies,
            Traffic::NeighborSolicitations,
        ];
        let about = |traffic: Traffic, word: u32| {
            let (start, offset): (&[_], _) = match traffic {
                Traffic::ArpRequests => (&[(12, 0x08), (13, 0x06), (21, 1)], 14 + 24),
                Traffic::ArpReplies => (&[(12, 0x08), (13, 0x06), (21, 2)], 14 + 14),
                Traffic::NeighborSolicitations => (
                    &[(12, 0x86), (13, 0xdd), (20, 58), (21, 255), (54, 135)],
                    14 + 40 + 8 + 12,
                ),
            };
            let mut frame = frame(86, start);
            frame[offset..offset + 4].copy_from_slice(&word.to_be_bytes());
            frame
        };
        let check = |targets: &Targets, words: &[u32], expected: bool| {
            for traffic in all {
                for word in words {
                    let accepted = accepts(traffic, targets, &about(traffic, *word));
                    assert_eq!(accepted, expected, "{traffic:?} {word:x} {targets:?}");
                }
            }
        };
        let few = Targets::covering([5, 6, 7, 0xffff_0000]);
        check(&few, &[5, 7, 0xffff_0000], true);
        check(&few, &[0, 4, 8, 0xfffe_ffff, 0xffff_0001], false);
        // As many ranges as there may be, up to the end of all addresses.
        let many = Targets::covering((0..63).map(|n| n << 8).chain([u32::MAX]));
        check(&many, &[0, 1 << 8, 62 << 8, u32::MAX], true);
        check(&many, &[1, (62 << 8) + 1, u32::MAX - 1], false);
        check(&Targets::default(), &[0, 5], false);
        check(&Targets::all(), &[0, 5, u32::MAX], true);
    }
}
