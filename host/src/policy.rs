//! A policy's module: read once, and evaluated in a fresh instance for each request.

use std::{fs, path::Path, sync::Arc};

use wasmi::{Config, CustomFuelCosts, Engine, Error, Instance, Linker, Module, Store, TrapCode};

use crate::{
    Guest, GuestFailure, HostError, Images, Metadata, NoImages,
    imports::{self, MEMORY, State},
};

/// The function of the module that waPC calls for every operation.
const GUEST_CALL: &str = "__guest_call";

/// Functions that are called before any operation, where the module has them.
const STARTS: [&str; 3] = ["_start", "wapc_init", "_initialize"];

/// How much fuel a policy may burn by default, in its initialisation and again in each function: about what it can do in
/// the two seconds that policy-server gives it.
///
/// Fuel is some four units for each WebAssembly instruction that is run: one for each instruction of a function, a loop or an
/// arm of an `if` that is entered, skipped ones too. It depends on the module, the payload and the interpreter, and on
/// neither the machine nor what else runs on it.
pub const EVALUATION_FUEL: u64 = 3_000_000_000;

/// A policy, ready for any number of evaluations, also from several threads at once. A clone shares the module.
#[derive(Clone)]
pub struct Policy {
    module: Module,
    linker: Linker<State>,
    metadata: Option<Metadata>,
    fuel: u64,
    images: Arc<dyn Images>,
}

/// What one call cost in a fresh instance, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The fuel of the initialisation.
    pub instantiation_fuel: u64,
    /// The fuel of the call itself.
    pub fuel: u64,
    /// The size of the linear memory after the call, which never shrinks; a multiple of 64 KiB.
    pub memory_bytes: u64,
    /// What the policy answered.
    pub answer: Vec<u8>,
}

impl Policy {
    /// Reads the module in a file.
    ///
    /// # Errors
    ///
    /// [`HostError::ReadModule`], and those of [`from_bytes`](Self::from_bytes).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, HostError> {
        let path = path.as_ref();
        let module = fs::read(path).map_err(|source| HostError::ReadModule {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&module)
    }

    /// Reads a module in WebAssembly's binary format.
    ///
    /// # Errors
    ///
    /// [`HostError::CompileModule`] and [`HostError::NotWapc`] if the module cannot be run,
    /// [`HostError::Instantiate`] if it imports what no waPC host has, [`HostError::Metadata`] if its metadata cannot be
    /// understood.
    pub fn from_bytes(module: &[u8]) -> Result<Self, HostError> {
        let mut config = Config::default();
        // To translate a function when it is called for the first time, and to copy bytes at once, costs nothing: a call
        // would cost more in the first instance, and by where in its page the heap begins.
        config.consume_fuel(true).fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: u32::MAX,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        });
        let engine = Engine::new(&config);
        let module =
            Module::new(&engine, module).map_err(|error| HostError::CompileModule(error.into()))?;
        if module.get_export(GUEST_CALL).is_none() {
            let rego = module
                .exports()
                .any(|export| export.name().starts_with("opa_"));
            return Err(HostError::NotWapc { rego });
        }
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker, &module).map_err(instantiation)?;
        Ok(Self {
            metadata: Metadata::of(&module)?,
            module,
            linker,
            fuel: EVALUATION_FUEL,
            images: Arc::new(NoImages),
        })
    }

    /// Replaces [`EVALUATION_FUEL`].
    pub fn with_fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }

    /// Replaces [`NoImages`], by what the policy looks up.
    pub fn with_images(mut self, images: Arc<dyn Images>) -> Self {
        self.images = images;
        self
    }

    /// What `kwctl annotate` left in the module, if anything.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Calls a waPC function in a fresh instance and counts what it costs.
    ///
    /// # Errors
    ///
    /// [`HostError::Instantiate`] if the initialisation fails, [`HostError::OutOfFuel`] if it or the function does not
    /// come to an end, [`HostError::Call`] if the function traps or the policy answers with an error.
    pub fn measure(&self, operation: &str, payload: &[u8]) -> Result<Cost, HostError> {
        let failed = |message: String| HostError::Call {
            operation: operation.to_owned(),
            source: GuestFailure(message),
        };
        let lengths = u32::try_from(operation.len())
            .and_then(|operation| Ok((operation, u32::try_from(payload.len())?)))
            .map_err(|error| failed(error.to_string()))?;
        let mut store = Store::new(
            self.linker.engine(),
            State::new(operation, payload, Arc::clone(&self.images)),
        );
        self.refuel(&mut store)?;
        let instance = self.start(&mut store).map_err(|error| {
            self.interrupted(&error)
                .unwrap_or_else(|| instantiation(error))
        })?;
        let instantiation_fuel = self.burnt(&store)?;

        self.refuel(&mut store)?;
        let succeeded = instance
            .get_typed_func::<(u32, u32), u32>(&store, GUEST_CALL)
            .map_err(instantiation)?
            .call(&mut store, lengths)
            .map_err(|error| {
                let interrupted = self.interrupted(&error);
                interrupted.unwrap_or_else(|| failed(error.to_string()))
            })?;
        let fuel = self.burnt(&store)?;
        let memory = instance.get_memory(&store, MEMORY);
        let memory_bytes = memory.map_or(0, |memory| memory.data_size(&store) as u64);

        let State {
            response, error, ..
        } = store.into_data();
        let answer = response.filter(|_| succeeded != 0).ok_or_else(|| {
            failed(error.unwrap_or_else(|| "it left neither an answer nor an error".to_owned()))
        })?;
        Ok(Cost {
            instantiation_fuel,
            fuel,
            memory_bytes,
            answer,
        })
    }

    fn start(&self, store: &mut Store<State>) -> Result<Instance, Error> {
        let instance = self
            .linker
            .instantiate_and_start(&mut *store, &self.module)?;
        for name in STARTS {
            if instance.get_func(&*store, name).is_some() {
                let start = instance.get_typed_func::<(), ()>(&*store, name)?;
                start.call(&mut *store, ())?;
            }
        }
        Ok(instance)
    }

    fn refuel(&self, store: &mut Store<State>) -> Result<(), HostError> {
        store.set_fuel(self.fuel).map_err(instantiation)
    }

    fn burnt(&self, store: &Store<State>) -> Result<u64, HostError> {
        Ok(self.fuel - store.get_fuel().map_err(instantiation)?)
    }

    fn interrupted(&self, error: &Error) -> Option<HostError> {
        (error.as_trap_code() == Some(TrapCode::OutOfFuel))
            .then_some(HostError::OutOfFuel { fuel: self.fuel })
    }
}

fn instantiation(error: Error) -> HostError {
    HostError::Instantiate(error.into())
}

impl Guest for Policy {
    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        Ok(self.measure(operation, payload)?.answer)
    }
}
