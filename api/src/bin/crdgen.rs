//! Writes one file for each CustomResourceDefinition into the directory given as the only argument.
//!
//! Never deletes a file: a kind that is gone is removed from the directory by hand, where a review sees it.

use std::error::Error;
use std::path::PathBuf;

use metallb_api::crd;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: crdgen DIRECTORY")?);
    std::fs::create_dir_all(&directory)?;
    for definition in crd::all() {
        std::fs::write(
            directory.join(crd::file_name(&definition)),
            crd::file_text(&definition)?,
        )?;
    }
    Ok(())
}
