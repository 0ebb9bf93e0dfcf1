//! `oci-archive`: packs one static binary into an image archive. `make images` runs it once per image.
//!
//! Owns: the command line.
//! Never: writes an archive that would not start or is larger than allowed.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use clap::Parser;
use metallb_images::{File, Image, User};

/// Pack a static binary into an OCI image archive, without a container engine.
#[derive(Parser)]
struct Args {
    /// Full name of the image: registry/repository:tag
    #[arg(long = "name", value_name = "REFERENCE")]
    reference: String,
    /// Static binary; it becomes /NAME in the image and its entrypoint
    #[arg(long, value_name = "PATH")]
    binary: PathBuf,
    /// Where the archive is written
    #[arg(long, value_name = "PATH")]
    output: PathBuf,
    /// User and group to run as; 0:0 is root
    #[arg(long, value_name = "UID:GID", default_value = "65534:65534", value_parser = user)]
    user: User,
    /// Environment variable (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Label beside title, version and licenses, which are set by themselves (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Refuse to write a larger archive, in units of 1,000,000 bytes
    #[arg(long, value_name = "MB")]
    max_mb: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let archive = image(&args)?.build()?;
    let size_bytes = archive.size_bytes();
    if let Some(max_mb) = args.max_mb {
        ensure!(
            size_bytes <= max_mb * 1_000_000,
            "{} would be {size_bytes} bytes, more than {max_mb} MB; was the binary built with --release?",
            args.output.display(),
        );
    }
    archive.write(&args.output)?;
    let (path, digest) = (args.output.display(), &archive.manifest_digest);
    println!(
        "{path}: {} {} {size_bytes} bytes {digest}",
        args.reference, archive.architecture
    );
    Ok(())
}

fn image(args: &Args) -> anyhow::Result<Image> {
    let name = args.binary.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} does not name a file", args.binary.display()))?;
    let tag = args.reference.rsplit_once(':').map_or("", |(_, tag)| tag);
    let own_labels = [
        ("title", name),
        ("version", tag),
        ("licenses", env!("CARGO_PKG_LICENSE")),
    ];
    let labels = own_labels
        .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
        .into_iter()
        .chain(args.label.iter().cloned())
        .collect();
    let command = format!("/{name}");
    Ok(Image {
        reference: args.reference.clone(),
        entrypoint: vec![command.clone()],
        user: Some(args.user),
        env: args.env.iter().cloned().collect(),
        labels,
        files: vec![File {
            source: args.binary.clone(),
            destination: command,
            mode: 0o755,
        }],
    })
}

fn user(text: &str) -> Result<User, String> {
    let number = |part: &str| u32::from_str(part).map_err(|_| format!("{part:?} is not a number"));
    let (uid, gid) = text.split_once(':').ok_or("expected UID:GID")?;
    Ok(User {
        uid: number(uid)?,
        gid: number(gid)?,
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &[&str]) -> Result<Args, clap::Error> {
        let required = [
            "oci-archive",
            "--name=quay.io/a/b:v1",
            "--binary=out/speaker",
            "--output=speaker.tar",
        ];
        Args::try_parse_from(required.iter().chain(extra))
    }

    #[test]
    fn the_binary_becomes_the_entrypoint_and_the_tag_the_version() {
        let image = image(&parse(&["--user=0:0", "--label=a=b=c"]).unwrap()).unwrap();
        assert_eq!(image.entrypoint, ["/speaker"]);
        assert_eq!(image.user, Some(User { uid: 0, gid: 0 }));
        assert_eq!(image.labels["org.opencontainers.image.version"], "v1");
        assert_eq!(image.labels["org.opencontainers.image.licenses"], "Apache-2.0");
        assert_eq!(image.labels["a"], "b=c");
    }

    #[test]
    fn a_flag_that_does_not_parse_is_refused() {
        for wrong in [
            "--user=nobody",
            "--user=1",
            "--user=1:x",
            "--env=A",
            "--label=a",
            "--max-mb=many",
        ] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}
