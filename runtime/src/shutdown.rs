//! When to end: SIGTERM (the kubelet) or SIGINT (a person at a terminal).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal as listen};

/// Completes at the first SIGTERM or SIGINT after this call.
///
/// # Errors
/// The signal handlers could not be installed (outside a tokio runtime with I/O).
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    // Installed now and not at the first poll: a signal between start and first poll must not kill the process.
    let terminate = listen(SignalKind::terminate())?;
    let interrupt = listen(SignalKind::interrupt())?;
    Ok(first_of(terminate, interrupt))
}

async fn first_of(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "shutting down"),
        _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "shutting down"),
    }
}
