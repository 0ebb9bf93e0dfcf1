//! Running the cluster tool as its users do: as a program, in a checkout.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn: there is one cluster per machine. Takes down what is running.
///
/// Without root nothing can be tested: that is an error in CI, and said and skipped elsewhere.
pub(crate) fn alone() -> Option<MutexGuard<'static, ()>> {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "the cluster tests need root");
        eprintln!("skipped: the cluster tests need root");
        return None;
    }
    // A test that failed has poisoned it; the next one starts from a clean machine all the same.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Checkout::new("before").cluster(["down", "--force"]).succeeds();
    Some(turn)
}

/// A directory that stands for a checkout: the tool only uses its `target/cluster`.
pub(crate) struct Checkout(PathBuf);

impl Checkout {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn cluster<const N: usize>(&self, arguments: [&str; N]) -> Tool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command.arg("--checkout").arg(&self.0).args(arguments);
        command
            .env_remove("NODES")
            .env_remove("PROXY_MODE")
            .env_remove("KUBECONFIG");
        Tool {
            command,
            signal: None,
        }
    }

    /// Fills the cluster with pods.
    pub(crate) fn run_pods(&self, count: u8) {
        let kubectl = |arguments: &[&str]| {
            let mut command = Command::new(self.0.join("target/cluster/bin/kubectl"));
            command
                .env("KUBECONFIG", self.0.join("target/cluster/kubeconfig"))
                .env("NO_PROXY", "*")
                .args(arguments);
            let done = command.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let image = "--image=localhost/metallb-cluster/agnhost:1";
        kubectl(&[
            "create",
            "deployment",
            "web",
            image,
            &format!("--replicas={count}"),
            "--",
            "/agnhost",
            "netexec",
        ]);
        kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    }
}

/// A command line of the tool.
pub(crate) struct Tool {
    command: Command,
    signal: Option<(Signal, &'static str)>,
}

impl Tool {
    pub(crate) fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Sends it a signal as soon as it says this.
    pub(crate) fn signalled(&mut self, signal: Signal, said: &'static str) -> &mut Self {
        self.signal = Some((signal, said));
        self
    }

    pub(crate) fn spawn(&mut self) -> Child {
        self.command.stdin(Stdio::null()).spawn().unwrap()
    }

    /// Everything it said.
    pub(crate) fn succeeds(&mut self) -> String {
        let (output, said) = self.run();
        assert!(
            output.status.success(),
            "{:?}: {}\n{said}",
            self.command,
            output.status
        );
        said
    }

    /// Its standard output alone.
    pub(crate) fn succeeds_quietly(&mut self) -> String {
        let (output, said) = self.run();
        assert!(
            output.status.success(),
            "{:?}: {}\n{said}",
            self.command,
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn fails(&mut self) -> String {
        let (output, said) = self.run();
        assert!(!output.status.success(), "{:?} succeeded:\n{said}", self.command);
        said
    }

    fn run(&mut self) -> (Output, String) {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        if let Some((signal, step)) = self.signal {
            while !said.contains(step) {
                let read = stderr.read_line(&mut said).unwrap();
                assert!(read > 0, "it never said {step:?}:\n{said}");
            }
            kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        }
        stderr.read_to_string(&mut said).unwrap();
        let output = child.wait_with_output().unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        (output, said)
    }
}
