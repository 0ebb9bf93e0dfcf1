//! The MetalLB controller: gives addresses to Services of type LoadBalancer.

mod announced;
mod app;
mod args;
mod existing;
mod findings;
mod memberlist;
mod metrics;
mod migrate;
mod owner;
mod pool_status;
mod reasons;
mod serving;
mod state;
mod term;
mod watch;
mod webhook;
mod write;

use std::process::ExitCode;

use metallb_runtime::log;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args: args::Args = metallb_runtime::args::parse();
    if let Some(args::Command::Migrate(command)) = &args.command {
        return migrate::run(command);
    }
    log::init(args.log_level);
    app::run(args).await?;
    Ok(ExitCode::SUCCESS)
}
