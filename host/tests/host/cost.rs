//! What an evaluation costs, with guests that answer, work more or less, and fail.

use policy_host::{Cost, HostError, Policy};

use crate::guests;

const PAGE: u64 = 64 * 1024;

fn cost_of(module: &[u8], payload: &[u8]) -> Cost {
    let policy = Policy::from_bytes(module).unwrap();
    policy.measure("validate", payload).unwrap()
}

/// What is said of a call that has no cost.
fn failure_of(module: &[u8]) -> String {
    let policy = Policy::from_bytes(module).unwrap();
    match policy.measure("validate", b"{}").unwrap_err() {
        HostError::Call { operation, source } => {
            assert_eq!(operation, "validate");
            source.to_string()
        }
        other => panic!("{other:?}"),
    }
}

/// A guest that answers after counting down from `rounds`, and takes `pages` more of memory.
fn working(rounds: u32, pages: u32) -> Vec<u8> {
    guests::doing(&format!(
        "(drop (memory.grow (i32.const {pages})))
         (i32.store (i32.const 0) (i32.const {rounds}))
         (loop $again
           (i32.store (i32.const 0) (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
           (br_if $again (i32.load (i32.const 0))))
         (call $answer)"
    ))
}

#[test]
fn the_answer_is_what_the_policy_says_to_the_payload() {
    let payload = r#"{"a":"é"}"#.as_bytes();
    assert_eq!(cost_of(&guests::echoing(), payload).answer, payload);
    assert_eq!(cost_of(&guests::answering("yes"), payload).answer, b"yes");

    let policy = Policy::from_bytes(&guests::answering("yes")).unwrap();
    let cost = policy.measure("protocol_version", b"").unwrap();
    assert_eq!(cost.answer, br#""v1""#);
}

#[test]
fn the_same_call_costs_the_same_in_every_instance() {
    let policy = Policy::from_bytes(&guests::counting("first")).unwrap();
    let first = policy.measure("validate", b"{}").unwrap();
    assert_eq!(policy.measure("validate", b"{}").unwrap(), first);
    assert!(first.fuel > 0);
}

#[test]
fn more_work_costs_more_by_the_work() {
    let fuel = |rounds| cost_of(&working(rounds, 0), b"{}").fuel;
    let one_round = fuel(2) - fuel(1);
    assert!(one_round > 0);
    assert_eq!(fuel(1001) - fuel(1), 1000 * one_round);
}

#[test]
fn bytes_that_are_copied_at_once_cost_nothing() {
    let fuel = |bytes: u32| {
        let copy = format!("(memory.copy (i32.const 0) (i32.const 512) (i32.const {bytes}))");
        let fill = format!("(memory.fill (i32.const 0) (i32.const 7) (i32.const {bytes}))");
        let guest = guests::doing(&format!("{copy} {fill} (call $answer)"));
        cost_of(&guest, b"{}").fuel
    };
    assert_eq!(fuel(500), fuel(5));
}

#[test]
fn initialisation_is_counted_apart() {
    let start = r#"(func (export "_start") (i32.store (i32.const 0) (i32.const 1)))"#;
    let init = r#"(func (export "wapc_init") (i32.store (i32.const 0) (i32.const 1)))"#;
    let cost = |more: &str| cost_of(&guests::answering_with("yes", more), b"{}");
    let (none, one, both) = (cost(""), cost(start), cost(&[start, init].concat()));

    assert_eq!(none.instantiation_fuel, 0);
    assert!(one.instantiation_fuel > 0);
    assert_eq!(both.instantiation_fuel, 2 * one.instantiation_fuel);
    assert_eq!([one.fuel, both.fuel], [none.fuel; 2]);
}

#[test]
fn memory_is_what_the_policy_has_in_the_end() {
    assert_eq!(cost_of(&working(1, 0), b"{}").memory_bytes, 16 * PAGE);
    assert_eq!(cost_of(&working(1, 3), b"{}").memory_bytes, 19 * PAGE);
}

#[test]
fn a_policy_that_fails_has_no_cost() {
    let error = failure_of(&guests::trapping());
    assert!(error.contains("unreachable"), "{error}");
    let error = failure_of(&guests::failing("out of ideas"));
    assert!(error.contains("out of ideas"), "{error}");
    let error = failure_of(&guests::doing("(i32.const 1)"));
    assert!(error.contains("neither an answer nor an error"), "{error}");
    let error = failure_of(&guests::doing(
        "(call $respond (i32.const -1) (i32.const 2)) (i32.const 1)",
    ));
    assert!(error.contains("outside of its memory"), "{error}");
}

#[test]
fn a_failed_initialisation_is_an_error_of_the_host() {
    let policy = Policy::from_bytes(&guests::trapping_at_start()).unwrap();
    assert!(matches!(
        policy.measure("validate", b"{}"),
        Err(HostError::Instantiate(_))
    ));
}

#[test]
fn a_module_that_cannot_be_a_policy_is_rejected_when_it_is_loaded() {
    assert!(matches!(
        Policy::from_bytes(&guests::parsed("(module)")),
        Err(HostError::NotWapc { rego: false })
    ));
    let wants_more = r#"(module (import "wapc" "more" (func)) (func (export "__guest_call")))"#;
    assert!(matches!(
        Policy::from_bytes(&guests::parsed(wants_more)),
        Err(HostError::Instantiate(_))
    ));
}

#[test]
fn log_events_are_taken_and_capabilities_rejected_by_name() {
    assert_eq!(cost_of(&guests::calling_host("log"), b"{}").answer, b"");
    let rejection = cost_of(&guests::calling_host("look_up"), b"{}").answer;
    let rejection = String::from_utf8(rejection).unwrap();
    assert!(rejection.contains("tracing/look_up"), "{rejection}");
}

#[test]
fn randomness_is_the_same_in_every_instance() {
    let policy = Policy::from_bytes(&guests::drawing_lots()).unwrap();
    let first = policy.measure("validate", b"{}").unwrap();
    let second = policy.measure("validate", b"{}").unwrap();
    assert_eq!(first.answer, second.answer);
}
