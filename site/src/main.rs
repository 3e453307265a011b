//! Builds the documentation with mdBook, and checks every link of what was built.

mod check;
mod pages;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use mdbook_driver::{MDBook, config::Config};

fn main() -> Result<ExitCode> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let repository = repository(root)?;
    let mut config = Config::from_disk(root.join("site/book.toml"))?;
    config.set("output.html.git-repository-url", &repository)?;
    let edit = format!("{repository}/edit/main/{{path}}");
    config.set("output.html.edit-url-template", edit)?;
    let mut book = MDBook::load_with_config(root, config)?;
    pages::adapt(&mut book.book, &repository);
    book.build()?;
    let built = book.build_dir_for("html");
    let problems = check::problems(&built)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    if !problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    println!("{}", fs::canonicalize(built)?.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Where the repository is, as its manifest says.
fn repository(root: &Path) -> Result<String> {
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let repository = manifest["workspace"]["package"]["repository"].as_str();
    Ok(repository
        .context("Cargo.toml has no repository")?
        .to_owned())
}
