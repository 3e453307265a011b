//! Writes the shell scripts as they go into pods, each in one piece, to `scripts/` in cargo's OUT_DIR, and strips the
//! module.

mod script;

use std::path::Path;
use std::{env, fs};

const SOURCES: &str = "src";

fn main() {
    println!("cargo::rerun-if-changed={SOURCES}");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let out = Path::new(&out).join("scripts");
    // Tests take every file there for a script, and one may have been renamed.
    if out.exists() {
        fs::remove_dir_all(&out).expect("an earlier build's files can be removed");
    }
    fs::create_dir(&out).expect("cargo has made its parent");
    // Cargo does not strip a package that has a profile of its own.
    if env::var_os("CARGO_CFG_TARGET_FAMILY").is_some_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--strip-all");
    }
    for (name, text) in script::all_below(Path::new(SOURCES)) {
        fs::write(out.join(name), text).expect("OUT_DIR can be written to");
    }
}
