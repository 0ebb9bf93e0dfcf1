//! Measures this MetalLB and upstream's on one cluster, with the same code, and says how they compare.
//!
//! ```text
//! bin/bench ──► bench ──► stack    installs one implementation, then the other
//!                 │  ──► rows     what is measured: one file for each row of the table
//!                 │        ├──► crowd      many Services, and when each got its address
//!                 │        ├──► served     one Service, from its creation to a client's first answer
//!                 │        ├──► wire       ARP as a client on the segment sees it
//!                 │        └──► containers memory and age of a component's processes
//!                 └──► report    the table, on the screen and in docs/benchmarks.md
//! ```
//!
//! A new row is a file in `rows/` and a line in [`rows::ROWS`]. What both implementations are measured with must not
//! know which of them it measures.

pub mod bench;
pub mod containers;
pub mod crowd;
pub mod figure;
pub mod machine;
pub mod report;
pub mod rows;
pub mod served;
pub mod stack;
pub mod wire;
