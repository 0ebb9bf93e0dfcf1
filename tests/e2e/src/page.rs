//! A page of docs/ whose blocks of commands are run as they are printed there.
//!
//! Owns: the blocks of the page, which of them were run, and a directory that looks like a checkout to them.
//! Never: knows what the commands do; a test says in which order they are run, and looks at what comes of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::components::Components;
use crate::cluster::progress::Progress;
use crate::command;
use crate::installation::checkout;
use crate::kubernetes::TempNamespace;

/// How a block of commands begins.
const COMMANDS: &str = "```sh";
/// In the directory of the page.
const KUBECONFIG: &str = "kubeconfig";
/// What pages take out of a checkout.
const OF_THE_CHECKOUT: [&str; 4] = ["bundle", "catalog", "charts", "config"];

/// `kubectl diff` ends with 1 where there is something to be shown.
const PRELUDE: &str = r#"set -euo pipefail
kubectl() {
  case $1 in
    diff) command kubectl "$@" || [ $? = 1 ] ;;
    *) command kubectl "$@" ;;
  esac
}
"#;

/// A page, and what of it is different on the test cluster.
#[derive(Debug)]
pub struct Manual {
    /// Inside this checkout
    pub path: &'static str,
    /// What a block is known by, and why it is not run
    pub not_run: &'static [(&'static str, &'static str)],
    /// In place of what the test cluster does not have: what is there and what is run
    pub adapted: &'static [(&'static str, &'static str)],
}

/// The blocks of a page, each run in a shell of its own, where what names no namespace is in the one of the test.
pub struct Page<'a> {
    manual: &'static Manual,
    namespace: &'a TempNamespace,
    directory: PathBuf,
    path: String,
    text: String,
    blocks: Vec<Vec<String>>,
    ran: BTreeSet<usize>,
}

impl<'a> Page<'a> {
    /// Reads the page, and runs nothing yet.
    ///
    /// # Errors
    /// If there is no such page, or no command on it.
    pub async fn open(namespace: &'a TempNamespace, manual: &'static Manual) -> Result<Self> {
        let text = fs::read_to_string(checkout(manual.path))?;
        let blocks = blocks(&text, COMMANDS);
        ensure!(!blocks.is_empty(), "{} has no commands", manual.path);
        let directory = std::env::temp_dir().join(format!("metallb-{}", namespace.name()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .with_context(|| directory.display().to_string())?;
        // With another namespace for what names none.
        let config = namespace
            .cluster()
            .kubectl(["config", "view", "--raw", "--flatten"])
            .await?;
        fs::write(directory.join(KUBECONFIG), config)?;
        for inside in OF_THE_CHECKOUT {
            symlink(checkout(inside).canonicalize()?, directory.join(inside))?;
        }
        let kubernetes = Components::prepare(&Progress::start()).await?;
        let path = format!("{}:{}", directory.display(), kubernetes.search_path());
        let page = Self {
            manual,
            namespace,
            directory,
            path,
            text,
            blocks,
            ran: BTreeSet::new(),
        };
        let context = format!(
            "kubectl config set-context --current --namespace={}",
            namespace.name()
        );
        page.lines(&[context]).await?;
        Ok(page)
    }

    /// The namespace of what names none.
    pub const fn namespace(&self) -> &'a TempNamespace {
        self.namespace
    }

    /// Where the commands are run.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lets the commands call this program by a name.
    ///
    /// # Errors
    /// If they have one of this name.
    pub fn provide(&self, name: &str, program: &str) -> Result<()> {
        symlink(program, self.directory.join(name)).with_context(|| name.to_owned())
    }

    /// Runs the one block with this text in it, and returns what it said.
    ///
    /// # Errors
    /// If there is not exactly one, or a command of it fails.
    pub async fn run(&mut self, text: &str) -> Result<String> {
        let block = self.block(text)?;
        self.lines(&block).await
    }

    /// The lines of the one block with this text in it, for a test that runs them itself, by [`Page::lines`].
    ///
    /// # Errors
    /// If there is not exactly one.
    pub fn block(&mut self, text: &str) -> Result<Vec<String>> {
        let at = self.find(text)?;
        self.ran.insert(at);
        Ok(self.blocks[at].clone())
    }

    /// Runs these lines of a block, with what is adapted, and returns what they said.
    ///
    /// # Errors
    /// If a command fails.
    pub async fn lines(&self, lines: &[String]) -> Result<String> {
        let mut script = lines.join("\n");
        for (printed, here) in self.manual.adapted {
            script = script.replace(printed, here);
        }
        let mut bash = self.namespace.cluster().tool("bash");
        bash.args(["-c", &format!("{PRELUDE}{script}")])
            .current_dir(&self.directory)
            .env("PATH", &self.path)
            .env("KUBECONFIG", self.directory.join(KUBECONFIG));
        command::finish(bash, None).await
    }

    /// Confirms that every block was run; what was not run has a reason, which still holds.
    ///
    /// # Errors
    /// With the blocks that were not run.
    pub fn all_ran(&self) -> Result<()> {
        let mut ran = self.ran.clone();
        for (text, reason) in self.manual.not_run {
            ensure!(ran.insert(self.find(text)?), "{text} was run, though {reason}");
        }
        let missing = (0..self.blocks.len()).filter(|at| !ran.contains(at));
        let missing: Vec<String> = missing.map(|at| self.blocks[at].join("\n")).collect();
        ensure!(missing.is_empty(), "not run:\n{}", missing.join("\n--\n"));
        Ok(())
    }

    /// The lines of the one block with this text in it that shows what a command says.
    ///
    /// # Errors
    /// If there is not exactly one.
    pub fn shown(&self, text: &str) -> Result<Vec<String>> {
        let mut found = blocks(&self.text, "```text");
        found.retain(|block| has(block, text));
        ensure!(
            found.len() == 1,
            "{} texts of {} have {text:?}",
            found.len(),
            self.manual.path
        );
        Ok(found.remove(0))
    }

    fn find(&self, text: &str) -> Result<usize> {
        let found: Vec<usize> = (0..self.blocks.len())
            .filter(|at| has(&self.blocks[*at], text))
            .collect();
        match found[..] {
            [one] => Ok(one),
            _ => bail!("{} blocks of {} have {text:?}", found.len(), self.manual.path),
        }
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn has(block: &[String], text: &str) -> bool {
    block.iter().any(|line| line.contains(text))
}

/// The blocks that begin so. One inside a list is indented as a whole.
fn blocks(text: &str, begin: &str) -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(fence) = lines.find(|line| line.trim_start() == begin) {
        let indent = &fence[..fence.len() - begin.len()];
        let inside = lines.by_ref().take_while(|line| line.trim_start() != "```");
        let block = inside.map(|line| line.strip_prefix(indent).unwrap_or(line).to_owned());
        blocks.push(block.collect());
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_how_they_begin_also_inside_a_list() {
        let page = "text\n```sh\none\n  two\n```\n```text\nno\n```\n1. step\n\n   ```sh\n   three \\\n\n     four\n   ```\n";
        assert_eq!(
            blocks(page, COMMANDS),
            [vec!["one", "  two"], vec!["three \\", "", "  four"]]
        );
        assert_eq!(blocks(page, "```text"), [["no"]]);
    }
}
