//! Images after the Dockerfiles of this checkout, without a container engine and without a registry.
//!
//! Owns: the four instructions that our Dockerfiles of a bundle and of a catalog have.
//! Never: runs anything, as a `RUN` would ask for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use metallb_images::{File, Image, User};

/// Who runs the Operator Lifecycle Manager's own programs, as in its images.
pub(super) const USER: User = User { uid: 1001, gid: 1001 };

/// What a Dockerfile says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Instructions {
    base: String,
    labels: BTreeMap<String, String>,
    copies: Vec<(String, String)>,
    command: Vec<String>,
}

impl Instructions {
    fn of(text: &str) -> Result<Self> {
        let mut found = Self::default();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
            let pair = |separator| {
                let (left, right) = rest.split_once(separator).with_context(|| line.to_owned())?;
                anyhow::Ok((left.to_owned(), right.to_owned()))
            };
            match instruction {
                "FROM" => rest.clone_into(&mut found.base),
                "LABEL" => found.labels.extend([pair('=')?]),
                "COPY" => found.copies.push(pair(' ')?),
                "ENTRYPOINT" | "CMD" => {
                    let words: Vec<String> = serde_json::from_str(rest).with_context(|| line.to_owned())?;
                    found.command.extend(words);
                }
                other => bail!("{other} is not imitated: {line}"),
            }
        }
        Ok(found)
    }
}

/// The programs of an image, in its `/bin`.
pub(super) fn programs(directory: &Path, names: &[&str]) -> Vec<File> {
    let file = |name: &&str| File {
        source: directory.join(name),
        destination: format!("/bin/{name}"),
        mode: 0o755,
    };
    names.iter().map(file).collect()
}

/// The image that this Dockerfile makes of a directory. `tools` has the programs of the bases.
pub(super) fn of(dockerfile: &str, directory: &Path, tools: &Path, reference: String) -> Result<Image> {
    let Instructions {
        base,
        labels,
        copies,
        mut command,
    } = Instructions::of(dockerfile)?;
    let (mut files, user) = if base == "scratch" {
        // An archive has to have something to start, which nobody does: who unpacks a bundle brings a program.
        command = vec!["/bin/cp".to_owned()];
        (programs(tools, &["cp"]), None)
    } else if base.starts_with("quay.io/operator-framework/opm:") {
        (programs(tools, &["opm", "grpc_health_probe"]), Some(USER))
    } else {
        bail!("the base {base} is not known here");
    };
    for (from, to) in copies {
        copy(&directory.join(from), to.trim_end_matches('/'), &mut files)?;
    }
    Ok(Image {
        reference,
        entrypoint: command,
        user,
        labels,
        files,
        ..Image::default()
    })
}

/// Everything in a directory, as `COPY` does it.
fn copy(from: &Path, to: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let destination = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &destination, files)?;
        } else {
            files.push(File {
                source: entry.path(),
                destination,
                mode: 0o644,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installation::checkout;

    #[test]
    fn both_dockerfiles_are_understood() {
        let read =
            |name| Instructions::of(&fs::read_to_string(checkout(name)).unwrap()).expect("only what we know");
        let bundle = read("bundle.Dockerfile");
        assert_eq!((bundle.base.as_str(), bundle.copies.len()), ("scratch", 3));
        assert!(bundle.labels.len() > 5 && bundle.command.is_empty(), "{bundle:?}");
        let catalog = read("catalog.Dockerfile");
        assert_eq!(catalog.copies, [("catalog".to_owned(), "/configs".to_owned())]);
        assert_eq!(catalog.command, ["/bin/opm", "serve", "/configs"]);
        assert!(Instructions::of("FROM scratch\nRUN true\n").is_err());
    }
}
