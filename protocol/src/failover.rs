//! Failover in milliseconds: who of the speakers is alive, found out faster than memberlist can, and never by one alone.
//!
//! ```text
//!   members ──beats──► their watchers ──nobody hears it──► the others are asked ──they agree──► "dead", to everybody
//!                                                                                                    │
//!   back, once its watchers say so ◄── objects, stops announcing meanwhile ◄── hears it itself ◄─────┘
//! ```
//!
//! A machine of its own, around memberlist's and with the same contract, and not a part of that: memberlist's rules are
//! what upstream's speakers have, too, and they stay readable beside upstream's documentation; and this one can be left
//! away. All it needs of the other is the list of members, and to declare one of them dead. What it sends travels as
//! memberlist's messages for the application, which upstream's speakers ignore; its verdicts are memberlist's own, which
//! they follow.
//!
//! What holds, and why, is in docs/failover.md.

mod beat;
mod contract;
mod hear;
mod judge;
mod look;
mod lost;
mod machine;
mod ring;
mod settings;
mod speak;
mod spread;
mod standing;
mod watch;
mod words;

pub use contract::{Counters, Event};
pub use machine::Machine;
pub use settings::{Settings, meta};
pub use standing::Standing;
pub use words::{Beat, Words};
