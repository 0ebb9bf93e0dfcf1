//! What an ELF header says about a binary: its machine, and whether it starts without a loader.
//!
//! Owns: the check that an image made of one file can start at all.
//! Never: reads more than the header and the program header table.

use std::fmt;

/// A machine our images are built for, in the words of the OCI image specification (those of Go's `GOARCH`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`
    Amd64,
    /// `aarch64`
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// Why a file cannot be the entrypoint of an image that holds nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStatic {
    /// Not an ELF file, not 64 bit, not little-endian, or cut short.
    #[error("not a 64-bit little-endian ELF executable")]
    NotElf,
    /// An object file or a core dump.
    #[error("an ELF file, but not an executable (type {0})")]
    NotExecutable(u16),
    /// A machine that is in neither of our architectures.
    #[error("built for ELF machine {0}; images are made for x86_64 (62) and aarch64 (183)")]
    UnknownMachine(u16),
    /// The kernel would start the program through a loader that is not in the image.
    #[error(
        "needs the dynamic loader {0}, which is not in the image; build it with \
         RUSTFLAGS='-C target-feature=+crt-static' and an explicit --target"
    )]
    Dynamic(String),
}

// Offsets in the 64-bit ELF header and program header (System V ABI, chapters 4 and 5).
const TYPE_AT: usize = 16;
const MACHINE_AT: usize = 18;
const TABLE_OFFSET_AT: usize = 32;
const ENTRY_SIZE_AT: usize = 54;
const ENTRY_COUNT_AT: usize = 56;
const SEGMENT_OFFSET_AT: usize = 8;
const SEGMENT_SIZE_AT: usize = 32;

const CLASS_64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3; // also every position-independent executable
const SEGMENT_INTERPRETER: u32 = 3;

/// The machine a static executable was built for.
///
/// A static position-independent executable has a dynamic section too, so that it can relocate itself. What decides is
/// `PT_INTERP`: only with it does the kernel look for a loader.
pub(crate) fn static_executable(file: &[u8]) -> Result<Architecture, NotStatic> {
    if !file.starts_with(CLASS_64_LITTLE_ENDIAN) {
        return Err(NotStatic::NotElf);
    }
    match u16_at(file, TYPE_AT)? {
        TYPE_EXECUTABLE | TYPE_SHARED => {}
        other => return Err(NotStatic::NotExecutable(other)),
    }
    let architecture = match u16_at(file, MACHINE_AT)? {
        62 => Architecture::Amd64,
        183 => Architecture::Arm64,
        other => return Err(NotStatic::UnknownMachine(other)),
    };
    let table = u64_at(file, TABLE_OFFSET_AT)?;
    let size = usize::from(u16_at(file, ENTRY_SIZE_AT)?);
    for index in 0..usize::from(u16_at(file, ENTRY_COUNT_AT)?) {
        let segment = table
            .checked_add(index * size)
            .and_then(|at| file.get(at..))
            .ok_or(NotStatic::NotElf)?;
        if u32_at(segment, 0)? == SEGMENT_INTERPRETER {
            return Err(NotStatic::Dynamic(interpreter(file, segment)?));
        }
    }
    Ok(architecture)
}

/// The path in a `PT_INTERP` segment, which ends in a zero byte.
fn interpreter(file: &[u8], segment: &[u8]) -> Result<String, NotStatic> {
    let start = u64_at(segment, SEGMENT_OFFSET_AT)?;
    let end = start
        .checked_add(u64_at(segment, SEGMENT_SIZE_AT)?)
        .ok_or(NotStatic::NotElf)?;
    let path = file.get(start..end).ok_or(NotStatic::NotElf)?;
    Ok(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned())
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], NotStatic> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(NotStatic::NotElf)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, NotStatic> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, NotStatic> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

/// A file offset or size. One that does not fit the address space lies outside the file anyway.
fn u64_at(bytes: &[u8], at: usize) -> Result<usize, NotStatic> {
    usize::try_from(u64::from_le_bytes(bytes_at(bytes, at)?)).map_err(|_| NotStatic::NotElf)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

    /// A header, one program header of the given type, and the loader's path.
    pub(crate) fn elf(kind: u16, machine: u16, segment: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(CLASS_64_LITTLE_ENDIAN);
        file[TYPE_AT..][..2].copy_from_slice(&kind.to_le_bytes());
        file[MACHINE_AT..][..2].copy_from_slice(&machine.to_le_bytes());
        file[TABLE_OFFSET_AT] = 64;
        file[ENTRY_SIZE_AT] = 56;
        file[ENTRY_COUNT_AT] = 1;
        file[64..][..4].copy_from_slice(&segment.to_le_bytes());
        file[64 + SEGMENT_OFFSET_AT] = 64 + 56;
        file[64 + SEGMENT_SIZE_AT] = u8::try_from(LOADER.len() + 1).unwrap();
        file.extend_from_slice(LOADER.as_bytes());
        file.push(0);
        file
    }

    fn check(file: &[u8], expected: &Result<Architecture, NotStatic>) {
        assert_eq!(&static_executable(file), expected);
    }

    #[test]
    fn a_static_binary_tells_its_machine() {
        check(&elf(TYPE_EXECUTABLE, 62, 1), &Ok(Architecture::Amd64));
        check(&elf(TYPE_SHARED, 62, 2), &Ok(Architecture::Amd64));
        check(&elf(TYPE_SHARED, 183, 1), &Ok(Architecture::Arm64));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        check(b"#!/bin/sh\n", &Err(NotStatic::NotElf));
        check(b"", &Err(NotStatic::NotElf));
        check(&elf(4, 62, 1), &Err(NotStatic::NotExecutable(4)));
        check(&elf(TYPE_SHARED, 243, 1), &Err(NotStatic::UnknownMachine(243)));
        check(
            &elf(TYPE_SHARED, 62, SEGMENT_INTERPRETER),
            &Err(NotStatic::Dynamic(LOADER.to_owned())),
        );
    }

    #[test]
    fn a_file_cut_anywhere_in_its_headers_is_refused_without_panic() {
        let whole = elf(TYPE_SHARED, 62, SEGMENT_INTERPRETER);
        for length in 0..whole.len() {
            check(&whole[..length], &Err(NotStatic::NotElf));
        }
    }

    #[test]
    fn this_test_is_a_dynamic_binary() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linked_statically = cfg!(target_feature = "crt-static");
        assert_eq!(static_executable(&own).is_ok(), linked_statically);
    }
}
