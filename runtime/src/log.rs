//! Log lines as JSON on standard output, with the keys of MetalLB's logs (`ts`, `level`, `caller`, `msg`, then the
//! fields), so that existing log queries keep working.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as fmt_layer};

/// How much is logged; MetalLB's six words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything, also what libraries say.
    All,
    /// Each decision.
    Debug,
    /// Each change of the world's state.
    #[default]
    Info,
    /// What a person should look at.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    None,
}

/// The log level is not one of MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level {0:?}: use one of all, debug, info, warn, error, none")]
pub struct UnknownLogLevel(String);

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "all" => Self::All,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "none" => Self::None,
            other => return Err(UnknownLogLevel(other.to_owned())),
        })
    }
}

/// Starts logging. Call it once, first thing in `main`. A second call changes nothing.
pub fn init(level: LogLevel) {
    let layer = fmt_layer::layer().event_format(Json).with_writer(std::io::stdout);
    // An `Err` means that a subscriber is installed already, which is what we want.
    let _ = tracing_subscriber::registry()
        .with(filter(level))
        .with(layer)
        .try_init();
}

/// Libraries log at `debug` what they do per request: only `all` shows that.
fn filter(level: LogLevel) -> EnvFilter {
    let ours = match level {
        LogLevel::All => return EnvFilter::default().add_directive(LevelFilter::TRACE.into()),
        LogLevel::None => return EnvFilter::default().add_directive(LevelFilter::OFF.into()),
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    EnvFilter::new(format!(
        "error,metallb_runtime={ours},metallb_core={ours},metallb_protocol={ours},metallb_sys={ours},\
         operator={ours},metallb_operator={ours},controller={ours},metallb_controller={ours},speaker={ours},metallb_speaker={ours}"
    ))
}

/// One JSON object a line.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut ts = String::new();
        SystemTime.format_time(&mut Writer::new(&mut ts))?;
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let message = fields.0.remove("msg").unwrap_or_default();
        let level = level_word(*event.metadata().level());
        // The order in which a person reads it; the fields follow in that of their names.
        write!(
            writer,
            "{{\"ts\":\"{ts}\",\"level\":\"{level}\",\"caller\":{},\"msg\":{message}",
            Value::from(caller(event))
        )?;
        for (key, value) in fields.0 {
            write!(writer, ",{}:{value}", Value::from(key))?;
        }
        writeln!(writer, "}}")
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::TRACE | Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

fn caller(event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let file = metadata.file().unwrap_or_else(|| metadata.target());
    // The last component: long enough to find the line, the same in every build directory.
    let file = file.rsplit('/').next().unwrap_or(file);
    metadata
        .line()
        .map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let key = if field.name() == "message" {
            "msg"
        } else {
            field.name()
        };
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(error));
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some libraries repeat their cause in their own message.
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
