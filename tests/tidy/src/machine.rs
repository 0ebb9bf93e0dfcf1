//! Nothing in the repository depends on, or speaks of, the machine somebody worked on.
//!
//! Owns: the list of such traces. Never: looks at itself, where they have to be spelt.

use crate::{Finding, Sources};

const CHECK: &str = "machine";
const OWN_FILE: &str = "tests/tidy/src/machine.rs";

/// Directories in which every machine has others: people's own, mounted disks, what a build or a session left in a place
/// for temporary files. A path in a container or on a node never begins like this.
const DIRECTORIES: [&str; 9] = [
    "/root/",
    "/home/",
    "/Users/",
    "/mnt/",
    "/media/",
    "/srv/",
    "/work/",
    "/workspace/",
    "/tmp/",
];

/// The user of examples, who has no machine, and the directory in which webhook servers find their certificate in
/// every container.
const EXAMPLES: [&str; 3] = ["/home/me/", "/home/me\"", "/tmp/k8s-webhook-server/"];

/// The only place Rust packages come from. A lock file written behind a mirror names the mirror.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Settings that send a package manager somewhere else than its users' machines go.
const REGISTRY_SETTINGS: [&str; 4] = ["replace-with", "index-url", "GOPROXY=", "registry-mirrors"];

/// Paths of one machine and packages from a private registry, in any file.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| *path != OWN_FILE) {
        for (index, line) in text.lines().enumerate() {
            findings.extend(fault(path, line).map(|message| Finding {
                path: path.to_owned(),
                line: Some(index + 1),
                check: CHECK,
                message,
            }));
        }
    }
    findings
}

fn fault(path: &str, line: &str) -> Option<String> {
    let without_examples = EXAMPLES
        .iter()
        .fold(line.to_owned(), |line, example| line.replace(example, "~"));
    if let Some(directory) = DIRECTORIES
        .iter()
        .find(|directory| begins_a_path(&without_examples, directory))
    {
        return Some(format!("a path below {directory}, which only one machine has"));
    }
    if let Some(setting) = REGISTRY_SETTINGS.iter().find(|setting| line.contains(*setting)) {
        return Some(format!(
            "`{setting}`: where packages come from is for each machine to say"
        ));
    }
    let source = line
        .strip_prefix("source = \"")
        .filter(|_| path.ends_with("Cargo.lock"))?;
    (source.trim_end_matches('"') != CRATES_IO)
        .then(|| "a package that does not come from crates.io".to_owned())
}

/// Whether the directory stands at the beginning of a path: "in/work/x" and "https://host/work/x" are not below it.
fn begins_a_path(line: &str, directory: &str) -> bool {
    line.match_indices(directory).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| {
            c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | ')' | '~' | '*')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    fn found(path: &str, text: &str) -> Vec<String> {
        places(&check(&Sources::of(&[(path, text)])))
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_file() {
        for line in [
            "cd /root/x",
            "\"/home/melissa/x\"",
            "(/Users/me)",
            "A=/work/main",
            "/tmp/build/bin/etcd",
            "ls /mnt/disk",
        ] {
            assert_eq!(
                found("Makefile", &format!("ok\n{line}\n")),
                ["Makefile:2"],
                "{line}"
            );
        }
    }

    #[test]
    fn paths_that_only_look_like_it_pass() {
        for line in [
            "network/root/x",
            "$HOME/work/x",
            "https://example.org/work/x",
            "../home/x",
            "/tmp",
            "target/tmp/web",
            "~/work/x",
            "\"/home/me/x\"",
        ] {
            assert_eq!(found("Makefile", line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn a_private_registry_is_found() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"registry+https://mirror.example/index\"\n");
        assert_eq!(found("Cargo.lock", &lock), ["Cargo.lock:2"]);
        for line in [
            "replace-with = \"mirror\"",
            "GOPROXY=https://mirror.example go build",
            "pip --index-url x",
        ] {
            assert_eq!(found("a", line), ["a:1"], "{line}");
        }
    }
}
