//! Every Rust file is part of a crate, and says at its top what it is for.
//!
//! Owns: following `mod` from the crates' roots. Never: reads `Cargo.toml`; the roots are given by cargo.

use std::collections::BTreeMap;

use crate::rust::{self, Module};
use crate::{Finding, Sources};

const CHECK: &str = "modules";

/// Every file that is compiled, and whether only into tests.
pub type Reached = BTreeMap<String, Reach>;

/// What a file is compiled into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A library or a program.
    Product,
    /// A test: a file behind `#[cfg(test)]`, or one of a target in a directory `tests`.
    Test,
}

/// Follows the modules from the roots: the `src_path` of every cargo target.
pub fn reach(sources: &Sources, roots: &[String]) -> Reached {
    let mut reached = Reached::new();
    for root in roots {
        let directory = directory_of(root);
        let reach = if last_part(directory) == "tests" {
            Reach::Test
        } else {
            Reach::Product
        };
        // The modules of a root are its neighbours; those of any other file are in the directory of its name.
        follow(sources, root, directory, reach, &mut reached);
    }
    reached
}

fn follow(sources: &Sources, path: &str, children: &str, reach: Reach, reached: &mut Reached) {
    if reached
        .get(path)
        .is_some_and(|&known| known == reach || known == Reach::Product)
    {
        return;
    }
    let Some(code) = sources.text(path).and_then(|text| rust::read(text).ok()) else {
        return;
    };
    reached.insert(path.to_owned(), reach);
    for module in &code.modules {
        let below = if module.test { Reach::Test } else { reach };
        let (file, grandchildren) = place(path, children, module);
        follow(sources, &file, &grandchildren, below, reached);
    }
}

/// The file of a module, and the directory of the modules in it.
fn place(path: &str, children: &str, module: &Module) -> (String, String) {
    let directory = join(children, &module.path.join("/"));
    match &module.file {
        Some(file) => {
            let file = join(directory_of(path), file);
            let grandchildren = directory_of(&file).to_owned();
            (file, grandchildren)
        }
        None => (format!("{directory}.rs"), directory),
    }
}

/// Files that no module reaches, files without a header, and `mod.rs`.
///
/// A module of tests needs no header: its name and its parent say it all.
pub fn check(sources: &Sources, roots: &[String]) -> Vec<Finding> {
    let reached = reach(sources, roots);
    let mut findings = Vec::new();
    for (path, text) in sources.with_extension("rs") {
        let mut complain = |message: &str| {
            let finding = Finding {
                path: path.to_owned(),
                line: None,
                check: CHECK,
                message: message.to_owned(),
            };
            findings.push(finding);
        };
        if last_part(path) == "mod.rs" {
            complain("a module named mod.rs; call it after its directory, beside it");
        } else if rust::read(text).is_err() {
            complain("cannot be read as Rust");
        } else if !reached.contains_key(path) {
            complain("no `mod` and no target of a Cargo.toml reaches this file; declare it or remove it");
        }
        let module_of_tests =
            reached.get(path) == Some(&Reach::Test) && !roots.iter().any(|root| root == path);
        if reached.contains_key(path) && !module_of_tests && !text.trim_start().starts_with("//!") {
            complain("must begin with `//!`: what it owns, and what it never does");
        }
    }
    findings
}

fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn last_part(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() {
        path.to_owned()
    } else {
        format!("{directory}/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    const HEADER: &str = "//! Owns a thing.\n";

    fn found(files: &[(&str, &str)], roots: &[&str]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (*path, format!("{HEADER}{text}")))
            .collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let sources = Sources::of(&files);
        let roots: Vec<_> = roots.iter().map(|&root| root.to_owned()).collect();
        places(&check(&sources, &roots))
    }

    #[test]
    fn a_file_that_nobody_declares_is_found() {
        let files = [
            ("a/src/lib.rs", "mod used;"),
            ("a/src/used.rs", ""),
            ("a/src/unused.rs", ""),
        ];
        assert_eq!(found(&files, &["a/src/lib.rs"]), ["a/src/unused.rs"]);
        assert_eq!(
            found(&files, &["a/src/lib.rs", "a/src/unused.rs"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn modules_are_followed_through_directories_inline_modules_and_path_attributes() {
        let files = [
            (
                "a/src/lib.rs",
                "mod x; mod i { mod j; } #[path = \"odd/name.rs\"] mod p;",
            ),
            ("a/src/x.rs", "mod y;"),
            ("a/src/x/y.rs", ""),
            ("a/src/i/j.rs", ""),
            ("a/src/odd/name.rs", "mod q;"),
            ("a/src/odd/q.rs", ""),
            ("a/src/y.rs", ""),
        ];
        assert_eq!(found(&files, &["a/src/lib.rs"]), ["a/src/y.rs"]);
    }

    #[test]
    fn a_module_that_is_only_mentioned_in_a_comment_is_not_declared() {
        assert_eq!(
            found(
                &[("a/src/lib.rs", "// mod x;"), ("a/src/x.rs", "")],
                &["a/src/lib.rs"]
            ),
            ["a/src/x.rs"]
        );
    }

    #[test]
    fn mod_rs_is_found_although_it_compiles() {
        let files = [("a/src/lib.rs", "mod x;"), ("a/src/x/mod.rs", "")];
        assert_eq!(found(&files, &["a/src/lib.rs"]), ["a/src/x/mod.rs"]);
    }

    #[test]
    fn a_file_that_is_not_rust_is_found() {
        assert_eq!(
            found(&[("a/src/lib.rs", "fn (")], &["a/src/lib.rs"]),
            ["a/src/lib.rs"]
        );
    }

    #[test]
    fn a_missing_header_is_found_except_in_modules_of_tests() {
        let sources = Sources::of(&[
            ("a/src/lib.rs", "//! Good\nmod x;\n#[cfg(test)] mod tests;"),
            ("a/src/x.rs", "// not a header\nuse std::fmt; //! nor this"),
            ("a/src/tests.rs", "mod more;"),
            ("a/src/tests/more.rs", ""),
            ("a/tests/cluster.rs", "mod parts;"),
            ("a/tests/parts.rs", ""),
        ]);
        let roots = ["a/src/lib.rs".to_owned(), "a/tests/cluster.rs".to_owned()];
        assert_eq!(
            places(&check(&sources, &roots)),
            ["a/src/x.rs", "a/tests/cluster.rs"]
        );
        let reached = reach(&sources, &roots);
        assert_eq!(reached["a/src/tests/more.rs"], Reach::Test);
        assert_eq!(reached["a/tests/parts.rs"], Reach::Test);
        assert_eq!(reached["a/src/x.rs"], Reach::Product);
    }
}
