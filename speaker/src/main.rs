//! The speaker: makes load balancer addresses reachable through this node, if it is the one to do so.
//!
//! ```text
//!   watch ──► inputs ──► owner: World ─► plans ─► actions ──► apply ──► layer2 (answers on the wire)
//!   layer2 ─ interfaces ─┤                                          └─► events
//!   membership ─ members ┘
//!       └── may this node answer at all? ──► layer2
//! ```

mod app;
mod apply;
mod args;
mod entitlement;
mod farewell;
mod l2_status;
mod layer2;
mod membership;
mod metrics;
mod owner;
mod thread;
mod watch;

/// The owner task runs on one thread: its work is short, and each thread costs memory on every node of a cluster.
/// Answers on the wire have a thread of their own, see [`layer2`].
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = metallb_runtime::args::parse::<args::Args>();
    metallb_runtime::log::init(args.log_level);
    app::run(args).await
}
