//! The programs the cluster is made of, and what is compared on it, built from pinned Go modules once per machine.
//!
//! Owns: `${XDG_CACHE_HOME:-~/.cache}/metallb-cluster/<key>`: `bin/` and `images/` of one set. The key is a hash of
//! everything that goes into them, so that two versions of this repository do not share a set by mistake, and a fresh
//! clone finds the one that is there.
//! Never: changes a set after it got its name.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use super::images;
use super::progress::Progress;
use crate::{command, wait};

pub(crate) mod modules;

use modules::{CLUSTER, Module};

/// A cold build takes ten minutes on two processors; another checkout may be at it.
const BUILD_LOCK_LIMIT: Duration = Duration::from_hours(1);

/// What a set is made from.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// What is said before it is built
    pub(crate) announcement: &'static str,
    /// The modules whose programs are built
    pub(crate) modules: &'static [Module],
    /// Programs that are packed into an image each, with the image's name
    pub(crate) images: &'static [(&'static str, &'static str)],
    /// To be raised when images are packed differently, so that cached sets are packed anew
    pub(crate) revision: u32,
}

/// A complete set of programs and images.
#[derive(Clone, Debug)]
pub struct Components {
    directory: PathBuf,
    recipe: &'static Recipe,
}

impl Components {
    /// Finds the cluster's set that belongs to this program, or builds it.
    ///
    /// # Errors
    /// If Go is missing, a module cannot be downloaded or a program does not build; nothing half-built is left.
    pub async fn prepare(progress: &Progress) -> Result<Self> {
        Self::of(&CLUSTER, progress).await
    }

    /// Finds a set, or builds it.
    ///
    /// # Errors
    /// As [`Components::prepare`].
    pub(crate) async fn of(recipe: &'static Recipe, progress: &Progress) -> Result<Self> {
        let cache = cache_directory(|name| std::env::var_os(name).map(PathBuf::from))?;
        let go_version = command::run("go", ["env", "GOVERSION"]).await?;
        let found = Self {
            directory: cache.join(modules::key(recipe, go_version.trim())),
            recipe,
        };
        if found.directory.exists() {
            return Ok(found);
        }
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let _held = BuildLock::acquire(&cache, progress).await?;
        if found.directory.exists() {
            return Ok(found); // the other checkout built it while this one waited
        }
        remove_unfinished(&cache)?;
        let unfinished = Unfinished(cache.join(format!("{UNFINISHED}{}", std::process::id())));
        build(recipe, &unfinished.0, progress).await?;
        fs::rename(&unfinished.0, &found.directory)
            .with_context(|| format!("cannot give {} its final name", unfinished.0.display()))?;
        Ok(found)
    }

    /// The directory of the programs.
    pub fn programs(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// One program.
    pub fn program(&self, name: &str) -> String {
        self.programs().join(name).to_string_lossy().into_owned()
    }

    /// The image archives.
    pub fn images(&self) -> Vec<PathBuf> {
        images::archives(self.recipe.images, &self.directory.join("images"))
    }

    /// `PATH` of the cluster's processes: the components before what the system has.
    pub fn search_path(&self) -> String {
        let system = std::env::var("PATH").unwrap_or_default();
        format!("{}:{system}", self.programs().display())
    }
}

async fn build(recipe: &Recipe, directory: &Path, progress: &Progress) -> Result<()> {
    let programs = directory.join("bin");
    let sources = directory.join("src");
    fs::create_dir_all(&programs)?;
    progress.step(recipe.announcement);
    let total: usize = recipe.modules.iter().map(|module| module.programs.len()).sum();
    let mut number = 0;
    for module in recipe.modules {
        let source = sources.join(module.name);
        for (file, text) in module.files {
            let file = source.join(file);
            fs::create_dir_all(file.parent().unwrap_or(&source))?;
            fs::write(file, text)?;
        }
        for (name, package) in module.programs {
            number += 1;
            progress.step(format!("building {name} ({number} of {total})"));
            build_program(module, &source, package, &programs.join(name)).await?;
        }
    }
    progress.step("packing the images");
    images::pack(recipe.images, &programs, &directory.join("images"))?;
    fs::remove_dir_all(&sources)?;
    Ok(())
}

async fn build_program(module: &Module, source: &Path, package: &str, output: &Path) -> Result<()> {
    let mut go = Command::new("go");
    go.current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "") // a user's -mod or -tags would build something else under the same key
        .args([
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-tags",
            module.tags,
            "-ldflags",
        ])
        .arg(module.linker_flags())
        .arg("-o")
        .arg(output)
        .arg(package)
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let child = go.spawn().context("cannot start `go`")?;
    // Go runs compilers; ending only Go would leave them running.
    let _group = ProcessGroup(child.id());
    let ended = child.wait_with_output().await?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let advice = "the modules come through GOPROXY; is the network reachable and the disk not full?";
    Err(anyhow!(
        "cannot build {package}: {}\n{}\n{advice}",
        ended.status,
        said.trim()
    ))
}

/// Ends with all its members when dropped.
struct ProcessGroup(Option<u32>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|pid| i32::try_from(pid).ok()) {
            // It has ended by itself in most cases.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

const UNFINISHED: &str = "unfinished-";

/// A directory that is removed unless it was given its final name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What builds that were killed have left. Nobody builds now, since the lock is held.
fn remove_unfinished(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Lets one program at a time build, so that two checkouts do not do the same work. Given back when dropped.
struct BuildLock {
    _file: File,
}

impl BuildLock {
    async fn acquire(cache: &Path, progress: &Progress) -> Result<Self> {
        let path = cache.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut announced = false;
        wait::until(
            "another build of the components",
            BUILD_LOCK_LIMIT,
            async || match file.try_lock() {
                Ok(()) => Ok(wait::Look::Done(())),
                Err(TryLockError::WouldBlock) => {
                    if !announced {
                        progress.step("another checkout builds the components: waiting for it");
                        announced = true;
                    }
                    Ok(wait::Look::NotYet("it is still building".to_owned()))
                }
                Err(TryLockError::Error(error)) => Err(error),
            },
        )
        .await?;
        Ok(Self { _file: file })
    }
}

/// XDG Base Directory Specification, "Environment variables": a relative path is to be ignored.
fn cache_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let configured = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = configured.or_else(|| variable("HOME").map(|home| home.join(".cache")));
    cache
        .map(|cache| cache.join("metallb-cluster"))
        .ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME is set"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let check = |xdg: Option<&str>, expected: &str| {
            let found = cache_directory(|name| match name {
                "XDG_CACHE_HOME" => xdg.map(PathBuf::from),
                _ => Some(PathBuf::from("/home/me")),
            });
            assert_eq!(found.unwrap(), Path::new(expected));
        };
        check(None, "/home/me/.cache/metallb-cluster");
        check(Some("/var/cache"), "/var/cache/metallb-cluster");
        check(Some("relative"), "/home/me/.cache/metallb-cluster");
        assert!(cache_directory(|_| None).is_err());
    }
}
