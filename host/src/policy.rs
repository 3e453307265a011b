//! A policy's module: read once, and evaluated in a fresh instance for each request.

use std::{fs, path::Path};

use kubewarden_policy_sdk::{
    metadata::ProtocolVersion, response::ValidationResponse, settings::SettingsValidationResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasmi::{Config, CustomFuelCosts, Engine, Error, Instance, Linker, Module, Store, TrapCode};

use crate::{
    AdmissionResponse, GuestFailure, HostError, Request,
    imports::{self, MEMORY, State},
    request::{payload, settings_object},
};

/// The function of the module that waPC calls for every operation.
const GUEST_CALL: &str = "__guest_call";

/// Functions that are called before any operation, where the module has them.
const STARTS: [&str; 3] = ["_start", "wapc_init", "_initialize"];

/// How much fuel a policy may burn by default, in its initialisation and again in each function: about what it can do in
/// the two seconds that policy-server gives it.
///
/// Fuel is about one unit for each WebAssembly instruction that is run. It depends on the module, the payload and the
/// interpreter, and on neither the machine nor what else runs on it.
pub const EVALUATION_FUEL: u64 = 3_000_000_000;

/// A policy, ready for any number of evaluations, also from several threads at once.
pub struct Policy {
    module: Module,
    linker: Linker<State>,
    fuel: u64,
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
    /// [`HostError::Instantiate`] if it imports what no waPC host has.
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
            module,
            linker,
            fuel: EVALUATION_FUEL,
        })
    }

    /// Replaces [`EVALUATION_FUEL`].
    pub fn with_fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }

    /// Evaluates a request, which may be an AdmissionReview or the bare request of one.
    ///
    /// Whatever the policy does (trap, return an error, run for ever, answer nonsense) is in the
    /// response, as it would be in a cluster.
    ///
    /// # Errors
    ///
    /// Those of [`Request::from_json`] and [`payload`], for input that policy-server refuses before
    /// the policy sees it, and [`HostError::Instantiate`].
    pub fn validate(
        &self,
        request: &Value,
        settings: &Value,
    ) -> Result<AdmissionResponse, HostError> {
        self.validate_request(&Request::from_json(request)?, settings)
    }

    /// Like [`validate`](Self::validate), for a request of either type.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`] and [`HostError::Instantiate`].
    pub fn validate_request(
        &self,
        request: &Request,
        settings: &Value,
    ) -> Result<AdmissionResponse, HostError> {
        match self.verdict(request, settings) {
            Ok(verdict) => Ok(AdmissionResponse::from_verdict(request, verdict)),
            Err(
                error @ (HostError::OutOfFuel { .. }
                | HostError::Call { .. }
                | HostError::Answer { .. }),
            ) => Ok(AdmissionResponse::from_failure(request, &error)),
            Err(error) => Err(error),
        }
    }

    /// The policy's own answer to a request, before a patch is made of it.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`], and whatever goes wrong in the policy.
    pub fn verdict(
        &self,
        request: &Request,
        settings: &Value,
    ) -> Result<ValidationResponse, HostError> {
        let payload = payload(request, settings)?;
        decode("validate", &self.call("validate", &payload)?)
    }

    /// Asks the policy whether it takes these settings.
    ///
    /// As in policy-server, a policy that fails over them has refused them.
    ///
    /// # Errors
    ///
    /// [`HostError::Settings`] and [`HostError::Instantiate`].
    pub fn validate_settings(
        &self,
        settings: &Value,
    ) -> Result<SettingsValidationResponse, HostError> {
        let settings = Value::Object(settings_object(settings)?).to_string();
        let refused = |message| SettingsValidationResponse {
            valid: false,
            message: Some(message),
        };
        match self.call("validate_settings", settings.as_bytes()) {
            Ok(answer) => Ok(serde_json::from_slice(&answer).unwrap_or_else(|error| {
                refused(format!("error: InvalidResponseWithError({error:?})"))
            })),
            Err(error @ HostError::Instantiate(_)) => Err(error),
            Err(error) => Ok(refused(format!(
                "Error invoking settings validation callback: {error:?}"
            ))),
        }
    }

    /// The version of Kubewarden's protocol that the policy speaks.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong in the policy.
    pub fn protocol_version(&self) -> Result<ProtocolVersion, HostError> {
        decode("protocol_version", &self.call("protocol_version", &[])?)
    }

    /// Calls `validate` in a fresh instance, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// Those of [`measure`](Self::measure).
    pub fn call_validate(&self, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        self.call("validate", payload)
    }

    /// Calls a waPC function in a fresh instance, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// Those of [`measure`](Self::measure).
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        Ok(self.measure(operation, payload)?.answer)
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
        let mut store = Store::new(self.linker.engine(), State::new(operation, payload));
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

fn decode<T: DeserializeOwned>(operation: &str, answer: &[u8]) -> Result<T, HostError> {
    serde_json::from_slice(answer).map_err(|source| HostError::Answer {
        operation: operation.to_owned(),
        source,
    })
}
