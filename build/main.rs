//! Writes the shell scripts as they go into pods, each in one piece, to `scripts/` in cargo's OUT_DIR, and to `doubled/` for
//! where Kubernetes expands variables.

mod script;

use std::path::Path;
use std::{env, fs};

const SOURCES: &str = "src";

fn main() {
    println!("cargo::rerun-if-changed={SOURCES}");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let scripts = script::all_below(Path::new(SOURCES));
    // As `kubernetes::literal` does it: a property holds the two together.
    let doubled = scripts
        .iter()
        .map(|(name, text)| (name, text.replace('$', "$$")));
    write_all(&Path::new(&out).join("doubled"), doubled);
    write_all(&Path::new(&out).join("scripts"), &scripts);
}

fn write_all(
    directory: &Path,
    texts: impl IntoIterator<Item = (impl AsRef<Path>, impl AsRef<[u8]>)>,
) {
    // One may have been renamed.
    if directory.exists() {
        fs::remove_dir_all(directory).expect("an earlier build's files can be removed");
    }
    fs::create_dir(directory).expect("cargo has made its parent");
    for (name, text) in texts {
        fs::write(directory.join(name), text).expect("OUT_DIR can be written to");
    }
}
