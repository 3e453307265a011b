//! Policies as small as waPC allows, each written for one way in which a policy can behave.

/// How a guest answers `validate`; the text of the module around it is the same for all.
const MODULE: &str = r#"(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 16)
  (data (i32.const 1024) "{\"valid\":true,\"message\":null}")
  (data (i32.const 2048) "\"v1\"")
  (data (i32.const 4096) "ANSWER")
  (func $answer (result i32)
    (call $respond (i32.const 4096) (i32.const LENGTH))
    (i32.const 1))
  (func $fail_with_answer (result i32)
    (call $fail (i32.const 4096) (i32.const LENGTH))
    (i32.const 0))
  (func $validate (param $length i32) (result i32)
    VALIDATE)
  (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
    ;; The functions' names differ in length: validate, protocol_version, validate_settings.
    (if (i32.eq (local.get $operation) (i32.const 8))
      (then (return (call $validate (local.get $length)))))
    (if (i32.eq (local.get $operation) (i32.const 16))
      (then (call $respond (i32.const 2048) (i32.const 4)) (return (i32.const 1))))
    (call $respond (i32.const 1024) (i32.const 29))
    (i32.const 1))
  MORE)"#;

fn module(validate: &str, answer: &str, more: &str) -> Vec<u8> {
    let text = MODULE
        .replace("VALIDATE", validate)
        .replace("LENGTH", &answer.len().to_string())
        .replace("MORE", more)
        .replace("ANSWER", &escaped(answer));
    wat::parse_str(text).expect("the fixture is valid")
}

/// A module from its text.
pub fn parsed(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the fixture is valid")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Answers `validate` with these bytes, whatever the request.
pub fn answering(answer: &str) -> Vec<u8> {
    module("(call $answer)", answer, "")
}

/// The same, with `more` in the module.
pub fn answering_with(answer: &str, more: &str) -> Vec<u8> {
    module("(call $answer)", answer, more)
}

/// Runs `validate`, in which `(call $answer)` answers "done".
pub fn doing(validate: &str) -> Vec<u8> {
    module(validate, "done", "")
}

/// The same with the metadata that `kwctl annotate` writes.
pub fn answering_annotated(answer: &str, metadata: &str) -> Vec<u8> {
    let section = format!(
        r#"(@custom "io.kubewarden.metadata" "{}")"#,
        escaped(metadata)
    );
    module("(call $answer)", answer, &section)
}

/// Answers `validate` with the payload that it was given.
pub fn echoing() -> Vec<u8> {
    module(
        "(call $request (i32.const 512) (i32.const 8192))
         (call $respond (i32.const 8192) (local.get $length))
         (i32.const 1)",
        "",
        "",
    )
}

/// Fails with the payload that it was given as its error, so that it shows in the response.
pub fn quoting() -> Vec<u8> {
    module(
        "(call $request (i32.const 512) (i32.const 8192))
         (call $fail (i32.const 8192) (local.get $length))
         (i32.const 0)",
        "",
        "",
    )
}

/// Reports an error of its own.
pub fn failing(message: &str) -> Vec<u8> {
    module("(call $fail_with_answer)", message, "")
}

/// Ends in a trap.
pub fn trapping() -> Vec<u8> {
    module("unreachable", "", "")
}

/// Never comes back.
pub fn looping() -> Vec<u8> {
    module("(loop $forever (br $forever)) (i32.const 0)", "", "")
}

/// Never comes back from its initialisation.
pub fn looping_at_start() -> Vec<u8> {
    module(
        "(call $answer)",
        "",
        r#"(func (export "_start") (loop $forever (br $forever)))"#,
    )
}

/// Traps in its initialisation.
pub fn trapping_at_start() -> Vec<u8> {
    module(
        "(call $answer)",
        "",
        r#"(func (export "_start") unreachable)"#,
    )
}

/// Answers for the first call in an instance, and fails every later one.
pub fn counting(answer: &str) -> Vec<u8> {
    module(
        "(if (i32.load (i32.const 8)) (then (return (call $fail_with_answer))))
         (i32.store (i32.const 8) (i32.const 1))
         (call $answer)",
        answer,
        "",
    )
}

/// Finds every settings invalid.
pub fn rejecting_settings() -> Vec<u8> {
    module(
        "(call $answer)",
        "",
        r#"(data (i32.const 1024) "{\"valid\":false,\"message\":\"a\"}")"#,
    )
}

/// Calls `operation` of its host, in Kubewarden's namespace `tracing`, and answers with the result.
pub fn calling_host(operation: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wapc" "__host_call"
            (func $ask (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
          (import "wapc" "__host_response_len" (func $response_length (result i32)))
          (import "wapc" "__host_response" (func $response (param i32)))
          (import "wapc" "__host_error_len" (func $error_length (result i32)))
          (import "wapc" "__host_error" (func $error (param i32)))
          (import "wapc" "__console_log" (func $log (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 16) "kubewardentracing{operation}")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (call $log (i32.const 16) (i32.const 17))
            (if (call $ask (i32.const 16) (i32.const 10) (i32.const 26) (i32.const 7)
                           (i32.const 33) (i32.const {length}) (i32.const 0) (i32.const 0))
              (then
                (call $response (i32.const 1024))
                (call $respond (i32.const 1024) (call $response_length)))
              (else
                (call $error (i32.const 1024))
                (call $respond (i32.const 1024) (call $error_length))))
            (i32.const 1)))"#,
        length = operation.len()
    );
    parsed(&text)
}

/// Answers eight random bytes of WASI.
pub fn drawing_lots() -> Vec<u8> {
    let text = r#"(module
      (import "wapc" "__guest_response" (func $respond (param i32 i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $draw (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "__guest_call") (param i32 i32) (result i32)
        (drop (call $draw (i32.const 0) (i32.const 8)))
        (call $respond (i32.const 0) (i32.const 8))
        (i32.const 1)))"#;
    wat::parse_str(text).expect("the fixture is valid")
}
