//! Where each member is: its address follows from its number.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Which member, counted from zero.
pub type Place = usize;

const PORT: u16 = 7946;

/// Where the member at `place` is.
pub fn of(place: Place) -> SocketAddr {
    let number = u32::try_from(place).unwrap_or(u32::MAX);
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits().saturating_add(number));
    SocketAddr::new(IpAddr::V4(ip), PORT)
}

/// Who is at `address`.
pub fn place(address: SocketAddr) -> Option<Place> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    let number = ip.to_bits().checked_sub(Ipv4Addr::new(10, 0, 0, 1).to_bits())?;
    usize::try_from(number).ok()
}
