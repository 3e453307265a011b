//! What the documentation shows of `vsi` is what it prints. `TRYCMD=overwrite` writes it anew.

use std::{env, path::Path};

#[test]
fn the_examples_of_the_documentation_are_true() {
    // The commands are those of someone in the root of the repository.
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    env::set_current_dir(root).expect("the repository is there");
    trycmd::TestCases::new()
        .register_bin("vsi", Path::new(env!("CARGO_BIN_EXE_vsi")))
        .case("README.md")
        .case("docs/vsi.md");
}
