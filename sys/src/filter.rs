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
    /// ARP requests and replies in which somebody asks for an address or says that it has it.
    Arp,
    /// ARP replies in which somebody says that it has an address: what a client waits for.
    ArpReplies,
    /// Neighbor Solicitations and Advertisements with a hop limit of 255, which proves that they were sent on this link
    /// (RFC 4861 §7.1).
    NeighborDiscovery,
}

/// Accepts a whole frame: no frame is longer.
const EVERYTHING: u32 = 0xffff;

impl Traffic {
    /// The EtherType that the socket is bound to.
    pub(crate) fn ether_type(self) -> u16 {
        match self {
            Self::Arp | Self::ArpReplies => 0x0806,
            Self::NeighborDiscovery => 0x86dd,
        }
    }

    /// Where in the frame the last 32 bits of an address are that it is about.
    fn subject_offsets(self) -> &'static [u32] {
        match self {
            // Who is asked for, and who asks or answers.
            Self::Arp => &[38, 28],
            Self::ArpReplies => &[28],
            Self::NeighborDiscovery => &[74],
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
            // Operation: request or reply.
            Self::Arp => tests.push(Test::AtMost(load(BPF_H, 20), 2)),
            // Operation: reply.
            Self::ArpReplies => tests.push(Test::Equal(load(BPF_H, 20), 2)),
            Self::NeighborDiscovery => tests.extend([
                // Next header: ICMPv6. Hop limit: 255. ICMPv6 type: Neighbor Solicitation or Advertisement.
                Test::Equal(load(BPF_B, 20), 58),
                Test::Equal(load(BPF_B, 21), 255),
                Test::AtLeast(load(BPF_B, 54), 135),
                Test::AtMost(load(BPF_B, 54), 136),
            ]),
        }
        assemble(tests, self.subject_offsets(), targets)
    }
}

/// Something that must hold for a frame to be accepted.
enum Test {
    Equal(SockFilter, u32),
    AtMost(SockFilter, u32),
    AtLeast(SockFilter, u32),
}

/// All tests must pass; then one range must hold the word at one of `offsets`. Whoever is beyond the last range falls
/// through to the next offset, and after the last one to the rejection.
fn assemble(tests: Vec<Test>, offsets: &[u32], targets: &Targets) -> Vec<SockFilter> {
    let ranges = targets.ranges();
    // Two instructions for each test and each range, and the load before the ranges.
    let search = 1 + 2 * ranges.len();
    let reject = 2 * tests.len() + offsets.len() * search;
    let accept = reject + 1;
    // A jump counts from the instruction after it.
    let to = |place: usize, from: usize| u8::try_from(place - from - 1).expect("ranges are few");
    let mut program = Vec::with_capacity(accept + 1);
    for test in tests {
        let from = program.len() + 1;
        match test {
            Test::Equal(load, value) => program.extend([load, jump(BPF_JEQ, 0, to(reject, from), value)]),
            Test::AtMost(load, value) => program.extend([load, jump(BPF_JGT, to(reject, from), 0, value)]),
            Test::AtLeast(load, value) => program.extend([load, jump(BPF_JGE, 0, to(reject, from), value)]),
        }
    }
    for offset in offsets {
        let next = program.len() + search;
        program.push(load(BPF_W, *offset));
        for range in ranges {
            let from = program.len() + 1;
            program.extend([
                // Beyond this range: on to the next one.
                jump(BPF_JGT, 1, 0, *range.end()),
                jump(BPF_JGE, to(accept, from), to(next, from), *range.start()),
            ]);
        }
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

    const ALL: [Traffic; 3] = [Traffic::Arp, Traffic::ArpReplies, Traffic::NeighborDiscovery];

    #[test]
    fn only_questions_and_claims_wake_us() {
        let arp = |operation| frame(42, &[(12, 0x08), (13, 0x06), (21, operation)]);
        let ip = |header, hops, kind| {
            frame(
                86,
                &[(12, 0x86), (13, 0xdd), (20, header), (21, hops), (54, kind)],
            )
        };
        #[rustfmt::skip]
        let table = [
            ("ARP request",             arp(1),                            [true,  false, false]),
            ("ARP reply",               arp(2),                            [true,  true,  false]),
            ("reverse ARP",             arp(3),                            [false, false, false]),
            ("router advertisement",    ip(58, 255, 134),                  [false, false, false]),
            ("solicitation",            ip(58, 255, 135),                  [false, false, true]),
            ("advertisement",           ip(58, 255, 136),                  [false, false, true]),
            ("redirect",                ip(58, 255, 137),                  [false, false, false]),
            ("routed solicitation",     ip(58, 254, 135),                  [false, false, false]),
            ("UDP over IPv6",           ip(17, 255, 135),                  [false, false, false]),
            ("long solicitation",       [ip(58, 255, 135), vec![7; 1400]].concat(), [false, false, true]),
            ("IPv4",                    frame(60, &[(12, 0x08)]),          [false, false, false]),
            ("ends in the EtherType",   arp(1)[..13].to_vec(),             [false, false, false]),
            ("ends in the operation",   arp(1)[..21].to_vec(),             [false, false, false]),
            ("ends before the type",    ip(58, 255, 135)[..54].to_vec(),   [false, false, false]),
        ];
        for (name, frame, expected) in table {
            let accepted = ALL.map(|traffic| accepts(traffic, &Targets::covering([0]), &frame));
            assert_eq!(accepted, expected, "{name}");
        }
    }

    /// A frame that speaks of the address with these last 32 bits at this offset, and elsewhere of one in nobody's range.
    fn about(traffic: Traffic, offset: usize, word: u32) -> Vec<u8> {
        let (start, others): (&[_], &[usize]) = match traffic {
            Traffic::Arp => (&[(12, 0x08), (13, 0x06), (21, 1)], &[28, 38]),
            Traffic::ArpReplies => (&[(12, 0x08), (13, 0x06), (21, 2)], &[28, 38]),
            Traffic::NeighborDiscovery => (&[(12, 0x86), (13, 0xdd), (20, 58), (21, 255), (54, 135)], &[74]),
        };
        let mut frame = frame(86, start);
        for other in others {
            frame[*other..other + 4].copy_from_slice(&FOREIGN.to_be_bytes());
        }
        frame[offset..offset + 4].copy_from_slice(&word.to_be_bytes());
        frame
    }

    const FOREIGN: u32 = 0x0909_0909;

    #[test]
    fn only_frames_about_the_targets_wake_us() {
        let check = |targets: &Targets, words: &[u32], expected: bool| {
            for traffic in ALL {
                for offset in traffic.subject_offsets() {
                    for word in words {
                        let frame = about(traffic, usize::try_from(*offset).unwrap(), *word);
                        let accepted = accepts(traffic, targets, &frame);
                        assert_eq!(accepted, expected, "{traffic:?} {offset} {word:x} {targets:?}");
                    }
                }
            }
        };
        let few = Targets::covering([5, 6, 7, 0xffff_0000]);
        check(&few, &[5, 7, 0xffff_0000], true);
        check(&few, &[0, 4, 8, 0xfffe_ffff, 0xffff_0001, FOREIGN], false);
        // As many ranges as there may be, up to the end of all addresses.
        let many = Targets::covering((0..59).map(|n| n << 8).chain([u32::MAX]));
        assert_eq!(many.ranges().len(), 60);
        check(&many, &[0, 1 << 8, 58 << 8, u32::MAX], true);
        check(&many, &[1, (58 << 8) + 1, u32::MAX - 1], false);
        check(&Targets::default(), &[0, 5], false);
        check(&Targets::all(), &[0, 5, u32::MAX], true);
    }
}
