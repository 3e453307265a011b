//! The functions that a policy can import: those of waPC, and as much of WASI as a policy needs that has no files, no
//! clock and no environment. Any other function of WASI answers ENOSYS.
//!
//! They are written here because the library that has WASI for the interpreter takes longer to compile than the interpreter.

use std::sync::Arc;

use wasmi::{Caller, Error, Extern, ExternType, Linker, Memory, Module, Val, ValType};

use crate::{Images, capabilities};

const WAPC: &str = "wapc";
const WASI: &str = "wasi_snapshot_preview1";
pub(crate) const MEMORY: &str = "memory";

/// WASI's numbers for success and for a function that does not exist.
const SUCCESS: i32 = 0;
const ENOSYS: i32 = 52;

/// What the imported functions share during one call.
pub(crate) struct State {
    operation: Vec<u8>,
    payload: Vec<u8>,
    /// The policy's answer.
    pub(crate) response: Option<Vec<u8>>,
    /// What went wrong, in the policy's words.
    pub(crate) error: Option<String>,
    host_response: Vec<u8>,
    host_error: Vec<u8>,
    images: Arc<dyn Images>,
}

impl State {
    pub(crate) fn new(operation: &str, payload: &[u8], images: Arc<dyn Images>) -> Self {
        Self {
            operation: operation.as_bytes().to_vec(),
            payload: payload.to_vec(),
            response: None,
            error: None,
            host_response: Vec::new(),
            host_error: Vec::new(),
            images,
        }
    }
}

/// Links what `module` imports.
///
/// # Errors
///
/// If it imports what no waPC host has.
pub(crate) fn link(linker: &mut Linker<State>, module: &Module) -> Result<(), Error> {
    for import in module.imports() {
        match (import.module(), import.ty()) {
            (WASI, ExternType::Func(signature)) => {
                linker.func_new(WASI, import.name(), signature.clone(), without_function)?;
            }
            (WAPC, _) if WAPC_FUNCTIONS.contains(&import.name()) => {}
            (from, _) => {
                let name = import.name();
                return Err(Error::new(format!("unknown import: {from}::{name}")));
            }
        }
    }
    linker.allow_shadowing(true);
    link_wasi(linker)?;
    link_wapc(linker)
}

fn without_function(_: Caller<'_, State>, _: &[Val], results: &mut [Val]) -> Result<(), Error> {
    for result in results
        .iter_mut()
        .filter(|result| result.ty() == ValType::I32)
    {
        *result = Val::I32(ENOSYS);
    }
    Ok(())
}

fn link_wasi(linker: &mut Linker<State>) -> Result<(), Error> {
    // The keys of a Rust module's hash maps are random, and with them the steps of a look-up could be.
    linker.func_wrap(
        WASI,
        "random_get",
        |mut caller: Caller<'_, State>, start: u32, length: u32| {
            write(&mut caller, start, &vec![0; length as usize])?;
            Ok(SUCCESS)
        },
    )?;
    for sizes in ["environ_sizes_get", "args_sizes_get"] {
        linker.func_wrap(
            WASI,
            sizes,
            |mut caller: Caller<'_, State>, count: u32, bytes: u32| {
                write(&mut caller, count, &[0; 4])?;
                write(&mut caller, bytes, &[0; 4])?;
                Ok(SUCCESS)
            },
        )?;
    }
    for list in ["environ_get", "args_get"] {
        linker.func_wrap(WASI, list, |_: u32, _: u32| SUCCESS)?;
    }
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, State>, _: i32, buffers: u32, count: u32, written: u32| {
            // A policy's output is not shown: only its answer counts.
            let buffers = read(&mut caller, buffers, count.saturating_mul(8))?;
            let lengths = buffers
                .chunks_exact(8)
                .filter_map(|buffer| buffer[4..].first_chunk());
            let total: u32 = lengths
                .map(|length| u32::from_le_bytes(*length))
                .fold(0, u32::saturating_add);
            write(&mut caller, written, &total.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(WASI, "proc_exit", |status: i32| -> Result<(), Error> {
        Err(Error::i32_exit(status))
    })?;
    Ok(())
}

const WAPC_FUNCTIONS: [&str; 9] = [
    "__guest_request",
    "__guest_response",
    "__guest_error",
    "__host_call",
    "__host_response_len",
    "__host_response",
    "__host_error_len",
    "__host_error",
    "__console_log",
];

fn link_wapc(linker: &mut Linker<State>) -> Result<(), Error> {
    linker.func_wrap(
        WAPC,
        "__guest_request",
        |mut caller: Caller<'_, State>, operation: u32, payload: u32| {
            let bytes = caller.data().payload.clone();
            write(&mut caller, payload, &bytes)?;
            let bytes = caller.data().operation.clone();
            write(&mut caller, operation, &bytes)
        },
    )?;
    linker.func_wrap(
        WAPC,
        "__guest_response",
        |mut caller: Caller<'_, State>, start: u32, length: u32| {
            let response = read(&mut caller, start, length)?;
            caller.data_mut().response = Some(response);
            Ok(())
        },
    )?;
    linker.func_wrap(
        WAPC,
        "__guest_error",
        |mut caller: Caller<'_, State>, start: u32, length: u32| {
            let error = read_text(&mut caller, start, length)?;
            caller.data_mut().error = Some(error);
            Ok(())
        },
    )?;
    linker.func_wrap(WAPC, "__host_call", call_host)?;
    linker.func_wrap(WAPC, "__host_response_len", |caller: Caller<'_, State>| {
        caller.data().host_response.len() as u32
    })?;
    linker.func_wrap(
        WAPC,
        "__host_response",
        |mut caller: Caller<'_, State>, start: u32| {
            let bytes = caller.data().host_response.clone();
            write(&mut caller, start, &bytes)
        },
    )?;
    linker.func_wrap(WAPC, "__host_error_len", |caller: Caller<'_, State>| {
        caller.data().host_error.len() as u32
    })?;
    linker.func_wrap(
        WAPC,
        "__host_error",
        |mut caller: Caller<'_, State>, start: u32| {
            let bytes = caller.data().host_error.clone();
            write(&mut caller, start, &bytes)
        },
    )?;
    linker.func_wrap(WAPC, "__console_log", |_: u32, _: u32| {})?;
    Ok(())
}

/// A piece of the policy's memory.
type Piece = (u32, u32);

#[allow(clippy::too_many_arguments, reason = "the signature is waPC's")]
fn call_host(
    mut caller: Caller<'_, State>,
    binding: u32,
    binding_length: u32,
    namespace: u32,
    namespace_length: u32,
    operation: u32,
    operation_length: u32,
    payload: u32,
    payload_length: u32,
) -> Result<u32, Error> {
    let mut text = |(start, length): Piece| read_text(&mut caller, start, length);
    let binding = text((binding, binding_length))?;
    let namespace = text((namespace, namespace_length))?;
    let operation = text((operation, operation_length))?;
    let payload = read(&mut caller, payload, payload_length)?;
    let images = &*caller.data().images;
    let answer = capabilities::answer(images, &binding, &namespace, &operation, &payload);
    let succeeded = u32::from(answer.is_ok());
    let state = caller.data_mut();
    (state.host_response, state.host_error) = match answer {
        Ok(response) => (response, Vec::new()),
        Err(error) => (Vec::new(), error.into_bytes()),
    };
    Ok(succeeded)
}

fn memory(caller: &Caller<'_, State>) -> Result<Memory, Error> {
    caller
        .get_export(MEMORY)
        .and_then(Extern::into_memory)
        .ok_or_else(|| Error::new("the policy does not export its memory"))
}

fn outside() -> Error {
    Error::new("the policy passes an address outside of its memory")
}

fn read(caller: &mut Caller<'_, State>, start: u32, length: u32) -> Result<Vec<u8>, Error> {
    let memory = memory(caller)?;
    memory
        .data(&*caller)
        .get(start as usize..)
        .and_then(|bytes| bytes.get(..length as usize))
        .map(<[u8]>::to_vec)
        .ok_or_else(outside)
}

fn read_text(caller: &mut Caller<'_, State>, start: u32, length: u32) -> Result<String, Error> {
    let bytes = read(caller, start, length)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(caller: &mut Caller<'_, State>, start: u32, bytes: &[u8]) -> Result<(), Error> {
    let memory = memory(caller)?;
    memory
        .write(&mut *caller, start as usize, bytes)
        .map_err(|_| outside())
}
