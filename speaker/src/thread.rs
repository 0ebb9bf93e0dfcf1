//! Threads of their own, for what must not wait behind Kubernetes events, nor behind other programs on a busy node: each with
//! a runtime of its own. Owns how they start, and that the end of one is told.

use anyhow::Context;
use metallb_sys::run_in_short_slices;
use tokio::sync::oneshot;

/// How a thread has ended.
pub(crate) type End = oneshot::Receiver<anyhow::Result<()>>;

/// Starts the thread `name`, which runs what `work` makes until that ends.
///
/// # Errors
/// The system refuses another thread.
pub(crate) fn start<F>(name: &'static str, work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<End>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            // The receiver is gone when the process ends: then nobody asks why.
            let _ = ended.send(run(name, work));
        })
        .with_context(|| format!("start the {name} thread"))?;
    Ok(end)
}

fn run<F>(name: &str, work: impl FnOnce() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    if let Err(error) = run_in_short_slices() {
        let error: &dyn std::error::Error = &error;
        tracing::info!(
            thread = name,
            error,
            "cannot ask for short slices of the processor, goes on without"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .with_context(|| format!("start the {name} runtime"))?;
    runtime.block_on(work())
}
