//! The end of the process in peace: every address is handed over before the answering stops. Owns for how long that may
//! hold up the end.

use std::sync::Arc;
use std::time::Duration;

use metallb_protocol::layer2::{HANDOVER_LIMIT, Tenure};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Desired;

/// What the driver gets beside the time that a handover may take. It needs some microseconds; if it hangs, the process
/// must end all the same before the kubelet kills it.
const GRACE: Duration = Duration::from_millis(200);

/// What is left to do before the end.
#[derive(Debug)]
pub(crate) struct Parting {
    desired: Arc<watch::Sender<Desired>>,
}

impl Parting {
    pub(super) fn new(desired: Arc<watch::Sender<Desired>>) -> Self {
        Self { desired }
    }

    /// Hands over everything that is served, and ends when nothing is left, after a second at the latest. What should be
    /// announced from now on is not: another node will.
    pub(crate) async fn part(self) {
        let mut addresses = 0;
        self.desired.send_modify(|desired| {
            desired.closing = true;
            addresses = desired.addresses.len();
            for assignment in desired.addresses.values_mut() {
                assignment.tenure = Tenure::Leaving;
            }
        });
        let mut served = self.desired.subscribe();
        let all_left = served.wait_for(|desired| desired.addresses.is_empty());
        if timeout(HANDOVER_LIMIT + GRACE, all_left).await.is_err() {
            tracing::warn!("the layer 2 thread does not hand over; ending all the same");
        } else {
            tracing::info!(addresses, "handed over");
        }
    }
}
