//! When to give memory back that lists and bursts have left behind: every node of a cluster pays for it. Owns the
//! moments; never looks at how much there is.

use std::time::Duration;

use metallb_sys::give_back_memory;
use tokio::time::sleep;

use crate::tasks::Tasks;

/// The first time, after the start: what a list of thousands of objects took is free soon after it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest time between two. One takes a millisecond or two, in which nothing else happens: so rarely that costs next
/// to nothing.
const LONGEST: Duration = Duration::from_mins(1);

/// Gives memory back soon after the start, then at twice the age each, then once a minute.
pub fn spawn(tasks: &mut Tasks) {
    tasks.spawn("memory", async {
        let mut wait = FIRST;
        loop {
            sleep(wait).await;
            give_back_memory();
            wait = wait.saturating_mul(2).min(LONGEST);
        }
    });
}
