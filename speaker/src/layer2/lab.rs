//! Network namespaces for tests: real interfaces of the real kernel, seen by nobody else. Owns their threads; a
//! namespace goes with its thread, and the interfaces in it go with the namespace.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace, and the thread that lives in it.
pub(super) struct Space {
    jobs: mpsc::Sender<Job>,
    thread: i32,
}

impl Space {
    /// An empty namespace; `None`, said on the terminal, without the right to make one. In CI that is an error.
    pub(super) fn new() -> Option<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET);
            ready.send(made.map(|()| gettid().as_raw())).unwrap();
            for job in queue {
                job();
            }
        });
        match is_ready.recv().unwrap() {
            Ok(thread) => Some(Self { jobs, thread }),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "CI runs as root: {error}");
                eprintln!("skipped: a network namespace needs root ({error})");
                None
            }
        }
    }

    /// Runs `job` in the namespace, and waits for it.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = mpsc::channel();
        let job = move || done.send(job()).unwrap();
        self.jobs.send(Box::new(job)).unwrap();
        outcome.recv().expect("the job panicked, see above")
    }

    /// Connects the two with a cable: `name` here, `their_name` there.
    pub(super) fn connect(&self, name: &str, other: &Self, their_name: &str) {
        let thread = other.thread;
        let text = format!("link add {name} type veth peer name {their_name} netns {thread}");
        self.ip(&text);
    }

    /// `ip ARGUMENTS` in the namespace.
    pub(super) fn ip(&self, arguments: &str) -> String {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments))
    }

    /// `tc ARGUMENTS` in the namespace.
    pub(super) fn tc(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || call("tc", &arguments));
    }

    /// Whether the kernel has this kind of interface; said on the terminal if not.
    pub(super) fn knows(&self, kind: &'static str) -> bool {
        let known = self.run(move || {
            let lower = if kind == "vlan" {
                "link lo name probe type vlan id 1"
            } else {
                "probe type"
            };
            let mut command = Command::new("ip");
            command.args(["link", "add"]).args(lower.split(' '));
            if kind != "vlan" {
                command.arg(kind);
            }
            command.output().unwrap().status.success()
        });
        if known {
            self.ip("link del probe");
        } else {
            eprintln!("skipped: this kernel makes no interfaces of type {kind}");
        }
        known
    }

    /// Moves an interface there.
    pub(super) fn hand_over(&self, name: &str, other: &Self) {
        self.ip(&format!("link set {name} netns {}", other.thread));
    }

    /// Sets a kernel parameter of the namespace, named as the path below `/proc/sys/net`.
    pub(super) fn sysctl(&self, name: &str, value: &str) {
        let (path, value) = (format!("/proc/sys/net/{name}"), value.to_owned());
        self.run(move || std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
    }
}

/// `ip ARGUMENTS` in the namespace of this thread; what it printed.
pub(super) fn ip(arguments: &str) -> String {
    call("ip", arguments)
}

fn call(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .expect("iproute2 is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Many changes by one process, so fast as the kernel makes them.
pub(super) fn ip_batch(lines: impl Iterator<Item = String>) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
