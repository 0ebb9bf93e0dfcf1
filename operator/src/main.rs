//! The operator's process: arguments, log, then [`metallb_operator::app`].

use metallb_operator::{app, args};

// One thread: there is one resource to reconcile, and each thread costs memory on the node.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = metallb_runtime::args::parse::<args::Args>();
    metallb_runtime::log::init(args.log_level);
    app::run(args).await
}
