//! The set of long-running tasks of a process. Owns the rule that there are no half-alive daemons: the first task
//! that ends, in whatever way, ends the process, and the kubelet starts it again.

use std::future::Future;

use anyhow::{Context, bail};
use tokio::task::JoinSet;

/// The long-running tasks of this process.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a task called `name`. It is expected never to end.
    pub fn spawn(
        &mut self,
        name: &'static str,
        future: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.set.spawn(async move { (name, future.await) });
    }

    /// Waits until `shutdown` completes (`Ok`) or a task ends, which is an error naming the task.
    ///
    /// The remaining tasks are aborted when this returns: every one of them may be killed at any await point.
    ///
    /// # Errors
    /// A task ended or panicked.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => Ok(()),
            ended = self.set.join_next() => match ended {
                None => bail!("there is no task to run"),
                Some(Err(panic)) => Err(panic).context("a task panicked"),
                Some(Ok((name, Err(error)))) => Err(error.context(format!("task {name} failed"))),
                Some(Ok((name, Ok(())))) => bail!("task {name} ended, although it should run for ever"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn message_of(tasks: Tasks, shutdown: impl Future<Output = ()>) -> String {
        tasks
            .run(shutdown)
            .await
            .map_or_else(|error| format!("{error:#}"), |()| "ok".into())
    }

    #[tokio::test]
    async fn a_task_that_ends_ends_the_process_with_its_name() {
        let mut tasks = Tasks::new();
        tasks.spawn("patient", std::future::pending());
        tasks.spawn("hasty", async { Ok(()) });
        let message = message_of(tasks, std::future::pending()).await;
        assert_eq!(message, "task hasty ended, although it should run for ever");
    }

    #[tokio::test]
    async fn a_task_that_fails_ends_the_process_with_its_cause() {
        let mut tasks = Tasks::new();
        tasks.spawn("watch", async { bail!("forbidden") });
        assert_eq!(
            message_of(tasks, std::future::pending()).await,
            "task watch failed: forbidden"
        );
    }

    #[tokio::test]
    async fn a_signal_ends_the_process_well() {
        let mut tasks = Tasks::new();
        tasks.spawn("patient", std::future::pending());
        assert_eq!(message_of(tasks, async {}).await, "ok");
    }
}
