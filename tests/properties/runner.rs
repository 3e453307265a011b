//! Trying a property with many cases, of which enough are injected.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// Cases per property, if PROPTEST_CASES says nothing.
const CASES: u32 = 160;

/// Whether a case was injected: properties of injected pods hold for all others anyway.
pub struct Injected(pub bool);

/// Tries the property.
///
/// # Panics
///
/// If it does not hold, or if too few pods were injected.
pub fn for_all<S: Strategy>(
    strategy: S,
    property: impl Fn(S::Value) -> Result<Injected, TestCaseError>,
) {
    run(1, strategy, property);
}

/// The same with a quarter of the cases, where each takes long.
pub fn for_fewer<S: Strategy>(
    strategy: S,
    property: impl Fn(S::Value) -> Result<Injected, TestCaseError>,
) {
    run(4, strategy, property);
}

fn run<S: Strategy>(
    fraction: u32,
    strategy: S,
    property: impl Fn(S::Value) -> Result<Injected, TestCaseError>,
) {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => CASES,
    };
    let cases = (cases / fraction).max(1);
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    };
    let injected = Cell::new(0);
    let result = TestRunner::new(config).run(&strategy, |case| {
        let Injected(is_injected) = property(case)?;
        injected.set(injected.get() + u32::from(is_injected));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    println!("{cases} cases, {} injected", injected.get());
    assert!(
        injected.get() * 10 >= cases,
        "only {} of {cases} pods were injected",
        injected.get()
    );
}

/// Cases that are the same in every run.
pub fn examples<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    let example = |_| {
        strategy
            .new_tree(&mut runner)
            .expect("it filters nothing")
            .current()
    };
    (0..count).map(example).collect()
}
