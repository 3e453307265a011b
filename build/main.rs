//! Writes the shell scripts as they go into pods, each in one piece, to `scripts/` in cargo's OUT_DIR.

mod script;

use std::path::Path;
use std::{env, fs};

const SCRIPTS: &str = "src/injection/scripts";

fn main() {
    println!("cargo::rerun-if-changed={SCRIPTS}");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let out = Path::new(&out).join("scripts");
    // Tests take every file there for a script, and one may have been renamed.
    if out.exists() {
        fs::remove_dir_all(&out).expect("an earlier build's files can be removed");
    }
    fs::create_dir(&out).expect("cargo has made its parent");

    for entry in fs::read_dir(SCRIPTS).expect("the scripts are there") {
        let path = entry.expect("a directory can be read").path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let name = path.file_name().expect("a file has a name");
            fs::write(out.join(name), shortened(&path)).expect("OUT_DIR can be written to");
        }
    }
}

fn shortened(path: &Path) -> String {
    let name = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let part = |name: &str| shortened(&Path::new(SCRIPTS).join(name));
    script::shortened(&text, &part).unwrap_or_else(|problem| panic!("{name}, {problem}"))
}
