//! Measures the policy against a baseline, both in wasmtime, and writes what `docs/performance.md` shows of it.

mod document;
mod engine;
mod growth;
mod measure;
mod numbers;
mod plot;
mod requests;
mod tables;

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

/// Measure the policy against a baseline
#[derive(Parser)]
struct Arguments {
    /// The policy's module
    policy: PathBuf,

    /// The module to measure it against, which must accept every request
    baseline: PathBuf,

    /// How often each module evaluates each request; a tenth as many evaluations come before, to warm up
    #[arg(long, value_name = "N", default_value = "1000")]
    rounds: NonZeroUsize,

    /// Write the numbers to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write performance.json and performance.svg into DIRECTORY, and the tables into its performance.md
    #[arg(long, value_name = "DIRECTORY")]
    docs: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let policy = read(&arguments.policy)?;
    let baseline = read(&arguments.baseline)?;
    let numbers = measure::run(&policy, &baseline, arguments.rounds.get())?;

    let mut output = io::stdout().lock();
    writeln!(output, "{}", tables::all(&numbers))?;
    if let Some(path) = &arguments.json {
        document::write_json(path, &numbers)?;
    }
    if let Some(directory) = &arguments.docs {
        document::write(directory, &numbers)?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
