//! The MetalLB controller: gives addresses to Services of type LoadBalancer.

mod app;
mod args;
mod pool_status;
mod state;
mod watch;
mod write;

use metallb_runtime::log;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: args::Args = metallb_runtime::args::parse();
    log::init(args.log_level);
    app::run(args).await
}
