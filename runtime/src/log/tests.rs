use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What this thread logs at `level` from now on, as long as the guard lives.
    pub(crate) fn by_this_thread(level: LogLevel) -> (Self, DefaultGuard) {
        let captured = Self::default();
        let layer = fmt_layer::layer()
            .event_format(Json)
            .with_writer(captured.clone());
        let subscriber = tracing_subscriber::registry().with(filter(level)).with(layer);
        (captured, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What a process at `level` writes while `act` logs.
fn logged(level: LogLevel, act: impl FnOnce()) -> Vec<Value> {
    let (captured, guard) = Captured::by_this_thread(level);
    act();
    drop(guard);
    captured.lines()
}

#[test]
fn a_line_has_the_keys_of_metallb_logs() {
    let lines = logged(LogLevel::Info, || {
        tracing::info!(service = "default/web", ips = 2, "assigned");
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "info");
    assert_eq!(lines[0]["msg"], "assigned");
    assert_eq!(lines[0]["service"], "default/web");
    assert_eq!(lines[0]["ips"], 2);
    assert!(
        lines[0]["caller"].as_str().unwrap().starts_with("tests.rs:"),
        "{}",
        lines[0]
    );
    assert!(lines[0]["ts"].as_str().unwrap().ends_with('Z'), "{}", lines[0]);
}

#[test]
fn a_person_reads_time_level_place_and_message_first() {
    let captured = Captured::default();
    let layer = fmt_layer::layer()
        .event_format(Json)
        .with_writer(captured.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::warn!(a = "1", "said \"so\"");
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part} in {text}"));
    let order = [
        "{\"ts\":",
        "\"level\":\"warn\"",
        "\"caller\":",
        r#""msg":"said \"so\"""#,
        "\"a\":\"1\"}",
    ];
    assert!(order.map(place).is_sorted(), "{text}");
}

#[test]
fn a_level_shows_itself_and_what_is_graver() {
    for (level, shown) in [
        (LogLevel::All, 4),
        (LogLevel::Debug, 4),
        (LogLevel::Info, 3),
        (LogLevel::Warn, 2),
        (LogLevel::Error, 1),
        (LogLevel::None, 0),
    ] {
        let lines = logged(level, || {
            tracing::debug!("d");
            tracing::info!("i");
            tracing::warn!("w");
            tracing::error!("e");
        });
        assert_eq!(lines.len(), shown, "{level:?}");
    }
}

#[test]
fn libraries_are_heard_only_when_they_fail_unless_all_is_asked_for() {
    let speak = || {
        tracing::warn!(target: "hyper", "chatter");
        tracing::error!(target: "hyper", "failure");
    };
    assert_eq!(logged(LogLevel::Debug, speak).len(), 1);
    assert_eq!(logged(LogLevel::All, speak).len(), 2);
}

#[test]
fn an_unknown_level_names_the_known_ones() {
    let message = "loud".parse::<LogLevel>().unwrap_err().to_string();
    assert_eq!(
        message,
        r#"unknown log level "loud": use one of all, debug, info, warn, error, none"#
    );
}

#[test]
fn causes_follow_their_error_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("failed to list Services")]
    struct Failed(#[source] io::Error);
    assert_eq!(
        chain(&Failed(io::Error::other("refused"))),
        "failed to list Services: refused"
    );
}
