//! How the process ends: at the first signal it hands over what it serves, at a second one it ends at once. Owns the order
//! of what is done in between.

use std::future::Future;

use anyhow::Context;
use metallb_runtime::shutdown;

use crate::layer2::Parting;
use crate::membership::Exit;

/// Ends when the process may: `signal` came, and either the addresses are handed over or another signal came.
pub(crate) async fn said(signal: impl Future<Output = ()>, membership: Option<Exit>, layer2: Parting) {
    signal.await;
    let handed_over = async {
        // The other speakers take over because they are told, and the addresses are served until they have.
        let told = async {
            if let Some(membership) = membership {
                membership.leave().await;
            }
        };
        tokio::join!(told, layer2.part());
    };
    tokio::select! {
        () = handed_over => {}
        () = again() => tracing::warn!("told twice to end; not waiting for the addresses to be taken over"),
    }
}

/// The next signal. Without one that can be heard there is none to wait for.
async fn again() {
    match shutdown::signal().context("cannot listen for another signal") {
        Ok(signal) => signal.await,
        Err(error) => {
            tracing::warn!(%error);
            std::future::pending::<()>().await;
        }
    }
}
