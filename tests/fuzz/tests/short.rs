//! What `cargo test` has time for: a few thousand damaged inputs for each decoder, always the same ones.

use metallb_fuzz::{Length, TARGETS};

/// One after the other: what a decoder allocates is counted for the whole process.
#[test]
fn damaged_input_neither_panics_nor_takes_memory() {
    for target in &TARGETS {
        let report = target
            .run(Length::Inputs(4_000), 1)
            .unwrap_or_else(|finding| panic!("{finding}"));
        assert!(report.outcomes > 1, "{}: every input went alike", target.name);
    }
}
