//! `controller migrate`: the ConfigMap of MetalLB up to 0.12 in, resources out, both as YAML.
//!
//! Owns reading, writing and the lines that messages name; what the old configuration means is core's. Never talks to
//! an API server, and prints nothing if there is a mistake anywhere.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::{fmt, fs};

use anyhow::Context as _;
use metallb_api::names::object;
use metallb_core::migration::{self, Remark, Resources, legacy};
use serde::Serialize;

use crate::args::Migrate;

mod manifest;
mod position;

use manifest::Source;
use position::{Positions, Spot};

/// The resources, and what their author should know.
struct Output {
    documents: String,
    notes: Vec<Message>,
}

/// A remark, and where it belongs. They are sorted as they are met when reading the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    spot: Option<Spot>,
    text: String,
}

/// Runs the command. Mistakes in the configuration are told on standard error, and the exit code is 1.
///
/// # Errors
/// The file cannot be read, or the output not written.
pub(crate) fn run(command: &Migrate) -> anyhow::Result<ExitCode> {
    let text = read(&command.file)?;
    let Output { documents, notes } = match migrate(&text, command) {
        Ok(output) => output,
        Err(mistakes) => {
            let file = match command.file.to_str() {
                Some("-") => "standard input".into(),
                _ => command.file.to_string_lossy(),
            };
            eprintln!("Error: {file} cannot be migrated, and nothing was printed:");
            for mistake in &mistakes {
                eprintln!("  {mistake}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for note in notes {
        eprintln!("note: {note}");
    }
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(documents.as_bytes())
        .and_then(|()| stdout.flush())
        .context("writing the resources")?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return fs::read_to_string(file).with_context(|| format!("reading {}", file.display()));
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .context("reading standard input")?;
    Ok(text)
}

/// The whole conversion, from text to text.
fn migrate(text: &str, command: &Migrate) -> Result<Output, Vec<Message>> {
    let source = if command.only_data {
        Source::bare(text)
    } else {
        Source::in_config_map(text).map_err(|mistake| vec![mistake])?
    };
    let config: legacy::Config = source.parse().map_err(|mistake| vec![mistake])?;
    let given = command.namespace.as_deref().filter(|name| !name.is_empty());
    let namespace = given.or(source.namespace.as_deref()).unwrap_or(object::NAMESPACE);
    let positions = Positions::of(&source.text);
    let place = |remarks| messages(remarks, &source, positions.as_ref());
    let mut resources = migration::convert(&config, namespace).map_err(place)?;
    Ok(Output {
        notes: place(std::mem::take(&mut resources.notes)),
        documents: documents(&resources, &source.name),
    })
}

/// Finds the lines of `remarks`.
fn messages(remarks: Vec<Remark>, source: &Source, positions: Option<&Positions>) -> Vec<Message> {
    let message = |Remark { place, message }| match place.steps() {
        // It is about the whole of it, which has no line.
        [] => Message::general(&message),
        steps => match positions.and_then(|positions| positions.find(steps)) {
            Some(spot) => Message {
                spot: Some(source.in_file(spot)),
                text: message,
            },
            // Without a line (an exotic form of YAML) the way to the value has to do.
            None => Message::general(&format!("{place}: {message}")),
        },
    };
    let mut messages: Vec<Message> = remarks.into_iter().map(message).collect();
    messages.sort();
    messages
}

/// The resources as YAML, in the order of MetalLB's own converter.
fn documents(resources: &Resources, source: &str) -> String {
    let Resources {
        peers,
        pools,
        bgp_advertisements,
        l2_advertisements,
        bfd_profiles,
        communities,
        notes: _,
    } = resources;
    let documents: Vec<String> = yaml(peers)
        .chain(yaml(pools))
        .chain(yaml(bgp_advertisements))
        .chain(yaml(l2_advertisements))
        .chain(yaml(bfd_profiles))
        .chain(yaml(communities))
        .collect();
    format!(
        "# Made by `controller migrate` from {source}.\n{}",
        documents.join("---\n")
    )
}

fn yaml<'a, T: Serialize + 'a>(
    objects: impl IntoIterator<Item = &'a T> + 'a,
) -> impl Iterator<Item = String> + 'a {
    objects.into_iter().map(|object| {
        let text = serde_saphyr::to_string(object).expect("a Kubernetes object has only string keys");
        format!("{}\n", text.trim_end_matches('\n'))
    })
}

impl Message {
    /// About no place in particular.
    fn general(text: &str) -> Self {
        Self {
            spot: None,
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Some(spot) => write!(f, "{spot}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
