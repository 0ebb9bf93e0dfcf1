//! How soon the scheduler runs a thread that has just been woken on processors that are all busy. Owns the two calls that
//! tell it.

use std::io;
use std::mem;

use libc::{SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, c_uint, sched_attr};

/// The shortest that Linux takes; a beat or an answer takes a tenth of it.
const SHORTEST_NANOSECONDS: u64 = 100_000;
/// The calling thread, as the kernel calls it.
const THIS_THREAD: libc::pid_t = 0;
/// There are none yet.
const FLAGS: c_uint = 0;

/// Has this thread run in short slices: since Linux 6.12 a thread that asks for less at a time may interrupt one that is in
/// the middle of more, and older ones take no notice. Its share of the processor stays what it was, and so does a policy
/// that somebody else has given it. Everybody may ask for it.
///
/// # Errors
/// Somebody forbids the call (a seccomp profile). Then everything stays as it was.
pub fn run_in_short_slices() -> io::Result<()> {
    let mut attributes = attributes()?;
    if !is_ordinary(&attributes) {
        return Ok(());
    }
    attributes.sched_runtime = SHORTEST_NANOSECONDS;
    // SAFETY: the kernel reads as many bytes as `size` says, which is the size of the structure that the pointer is to, and
    // keeps none of them (sched_setattr(2)).
    let outcome = unsafe { libc::syscall(SYS_sched_setattr, THIS_THREAD, &raw const attributes, FLAGS) };
    checked(outcome)
}

/// What the scheduler knows of this thread.
fn attributes() -> io::Result<sched_attr> {
    // SAFETY: a structure of numbers, for each of which zero is one.
    let mut attributes: sched_attr = unsafe { mem::zeroed() };
    let size = u32::try_from(size_of::<sched_attr>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes no more bytes than `size`, which is the size of the structure that the pointer is to
    // (sched_getattr(2)).
    let outcome = unsafe { libc::syscall(SYS_sched_getattr, THIS_THREAD, &raw mut attributes, size, FLAGS) };
    checked(outcome)?;
    attributes.size = size;
    Ok(attributes)
}

/// Whether nobody has given the thread a policy.
fn is_ordinary(attributes: &sched_attr) -> bool {
    attributes.sched_policy == SCHED_OTHER.unsigned_abs()
}

fn checked(outcome: libc::c_long) -> io::Result<()> {
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_all_but_its_slice() {
        let before = attributes().unwrap();
        run_in_short_slices().unwrap();
        let after = attributes().unwrap();
        assert_eq!(
            (after.sched_policy, after.sched_nice, after.sched_priority),
            (before.sched_policy, before.sched_nice, before.sched_priority)
        );
        // Zero: a kernel that knows no slices of ordinary threads.
        let slices = if is_ordinary(&before) {
            [0, SHORTEST_NANOSECONDS]
        } else {
            [before.sched_runtime; 2]
        };
        assert!(slices.contains(&after.sched_runtime), "{}", after.sched_runtime);
    }
}
