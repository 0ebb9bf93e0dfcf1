//! Every test that needs a cluster is listed with `test = false`: a plain `cargo test` runs none of them.
//!
//! Owns: where such tests are. Never: reads what is in them.

use crate::{Finding, Sources};

const CHECK: &str = "cluster_tests";
/// The crate whose integration tests need a cluster.
pub const MANIFEST: &str = "tests/e2e/Cargo.toml";
const DIRECTORY: &str = "tests/e2e/tests/";

/// Files of tests that the manifest does not list.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let manifest = sources.text(MANIFEST).unwrap_or_default();
    let files = sources.iter().filter_map(|(path, _)| Some((path, target(path)?)));
    files
        .filter(|(_, name)| !manifest.contains(&format!("[[test]]\nname = \"{name}\"\ntest = false\n")))
        .map(|(path, name)| Finding {
            path: path.to_owned(),
            line: None,
            check: CHECK,
            message: format!("list it in {MANIFEST}: [[test]], name = \"{name}\", test = false"),
        })
        .collect()
}

/// The name of the test that a file is the root of.
fn target(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(DIRECTORY)?;
    let name = inside
        .strip_suffix("/main.rs")
        .or_else(|| inside.strip_suffix(".rs"))?;
    (!name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    #[test]
    fn tests_that_are_not_listed_are_found() {
        let sources = Sources::of(&[
            (
                MANIFEST,
                "[package]\n\n[[test]]\nname = \"admit\"\ntest = false\n",
            ),
            ("tests/e2e/tests/admit.rs", ""),
            ("tests/e2e/tests/speaker.rs", ""),
            ("tests/e2e/tests/cluster/main.rs", ""),
            ("tests/e2e/tests/cluster/tool.rs", ""),
            ("tests/tidy/tests/repository.rs", ""),
        ]);
        let found = places(&check(&sources));
        assert_eq!(
            found,
            ["tests/e2e/tests/cluster/main.rs", "tests/e2e/tests/speaker.rs"]
        );
    }
}
