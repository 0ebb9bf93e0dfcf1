//! The operator's process: arguments, log, then [`metallb_operator::app`], or another command.

use std::process::ExitCode;

use metallb_operator::{app, args, preflight};

// One thread: there is one resource to reconcile, and each thread costs memory on the node.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = metallb_runtime::args::parse::<args::Args>();
    if let Some(args::Command::Preflight(command)) = &args.command {
        return Ok(preflight::run(command).await);
    }
    metallb_runtime::log::init(args.log_level);
    app::run(args).await?;
    Ok(ExitCode::SUCCESS)
}
