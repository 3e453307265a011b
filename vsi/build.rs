//! Builds the policy's module, which every `vsi` has in it, or takes the one it is given.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";

/// Where the module's package is, and all that is built into it.
const SOURCES: [&str; 5] = [
    "build",
    "src",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// A module to take in place of building one: a release has the published one, byte for byte, in every `vsi`.
const MODULE: &str = "VSI_POLICY_MODULE";

fn main() {
    println!("cargo::rerun-if-env-changed={MODULE}");
    match env::var_os(MODULE) {
        Some(path) => given(&path),
        None => built(),
    }
}

fn given(path: &OsStr) {
    match Path::new(path).canonicalize() {
        Ok(path) => {
            println!("cargo::rerun-if-changed={}", path.display());
            println!("cargo::rustc-env=POLICY_MODULE={}", path.display());
        }
        Err(error) => println!("cargo::error={MODULE}: {}: {error}", path.display()),
    }
}

fn built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    match module(&root) {
        Ok(path) => println!("cargo::rustc-env=POLICY_MODULE={}", path.display()),
        Err(problem) => println!("cargo::error={problem}"),
    }
}

/// Builds what `make policy.wasm` builds, in the same directory, so that there is one module.
fn module(root: &Path) -> Result<PathBuf, String> {
    // Not that of the build which runs this: it is locked.
    let target_directory = root.join("target/policy");
    let cargo = env::var_os("CARGO").ok_or("cargo runs this and says where it is")?;
    let mut build = Command::new(cargo);
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "vault-sidecar-injector",
        ])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_directory)
        .current_dir(root);
    // What is asked of the build of `vsi` (Clippy in rustc's place, flags, a directory) is not meant for the module.
    for variable in [
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
    ] {
        build.env_remove(variable);
    }
    let output = build
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if output.status.success() {
        let module = format!("{TARGET}/release/vault_sidecar_injector.wasm");
        return Ok(target_directory.join(module));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    eprintln!("{text}");
    Err(match text.contains("target may not be installed") {
        true => format!("the module needs Rust's target {TARGET}: rustup target add {TARGET}"),
        false => "the policy's module cannot be built".to_owned(),
    })
}
