//! What the C library keeps of the memory that the program has freed. Owns the call that gives it back; when that is
//! worth its time is the caller's to know.

/// Gives free memory back to the system. The C library does so by itself only at the end of its heap, so that a burst
/// of small pieces, of which a few stay, would count as used for ever. Takes about a millisecond for each ten megabytes.
///
/// Does nothing with another C library than GNU's.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` may be called at any time by any thread (malloc_trim(3)) and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
