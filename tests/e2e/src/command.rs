//! Running a tool of the system.
//!
//! Owns: the form of the error when it fails: the command line and what the tool said.
//! Never: goes through a shell.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// No tool that is run here takes a minute; one that takes this long hangs.
const LIMIT: Duration = Duration::from_mins(5);

/// Runs a tool to its end and returns what it wrote to standard output.
///
/// # Errors
/// If it cannot be started, hangs, or does not exit with 0; the text holds what it wrote to standard error.
pub async fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args);
    finish(command, None).await
}

/// As [`run`], with a text on its standard input.
///
/// # Errors
/// As [`run`].
pub async fn run_with_input<A: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = A>,
    input: &str,
) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args);
    finish(command, Some(input)).await
}

/// As [`run`], for a command that was put together by the caller.
///
/// # Errors
/// As [`run`].
pub async fn finish(mut command: Command, input: Option<&str>) -> Result<String> {
    let line = describe(&command);
    command
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let ended = async {
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A tool that ends before it read everything says why on standard error; that is the better message.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(LIMIT, ended)
        .await
        .with_context(|| format!("`{line}` did not end within {} s", LIMIT.as_secs()))?
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}`: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_shows_the_command_and_what_it_said() {
        let error = run("ls", ["/nowhere-at-all"]).await.unwrap_err().to_string();
        assert!(
            error.contains("`ls /nowhere-at-all`") && error.contains("No such file"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn input_reaches_the_tool() {
        assert_eq!(run_with_input("cat", ["-"], "hello").await.unwrap(), "hello");
    }
}
