//! A compiled policy and its instances: compile once, evaluate each request in a new instance.

use std::{fs, path::Path, time::Duration};

use kubewarden_policy_sdk::{
    metadata::ProtocolVersion, response::ValidationResponse, settings::SettingsValidationResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wapc::WapcHost;
use wasmtime_provider::{
    EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre,
    errors::Error as ProviderError,
    wasmtime::{Config, Engine, Module},
};

use crate::{
    AdmissionResponse, HostError, Request, capabilities,
    request::{payload, settings_object},
    ticker::Ticker,
};

/// How long a policy may run by default, in its initialisation and again in each function:
/// policy-server's limit.
pub const EVALUATION_DEADLINE: Duration = Duration::from_secs(2);

/// In how many steps the deadline is counted: an evaluation is cut off at most one step early.
const TICKS_PER_DEADLINE: u32 = 20;

/// What wasmtime-provider's errors contain when a deadline has passed; it has no type for that.
const INTERRUPTED: &str = "interrupted, execution deadline exceeded";

/// A policy, compiled and ready for any number of evaluations, also from several threads at once.
pub struct Policy {
    engine: Engine,
    prepared: WasmtimeEngineProviderPre,
    deadline: Duration,
    // Held for its Drop: the deadline is enforced as long as it ticks.
    _ticker: Ticker,
}

impl Policy {
    /// Reads and compiles the module in a file.
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

    /// Compiles a module, in WebAssembly's binary or text format.
    ///
    /// # Errors
    ///
    /// [`HostError::CompileModule`] and [`HostError::NotWapc`] if the module is none that can be run,
    /// [`HostError::Instantiate`] if it imports what no waPC host has, [`HostError::Ticker`] if the
    /// system has no thread left.
    pub fn from_bytes(module: &[u8]) -> Result<Self, HostError> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let module = compile(&config, module)?;
        let engine = module.engine().clone();
        let prepared = WasmtimeEngineProviderBuilder::new()
            .engine(engine.clone())
            .module(module)
            .build_pre()
            .map_err(|error| HostError::Instantiate(error.into()))?;
        let ticker = start_ticker(&engine, EVALUATION_DEADLINE)?;
        Ok(Self {
            engine,
            prepared,
            deadline: EVALUATION_DEADLINE,
            _ticker: ticker,
        })
    }

    /// Replaces [`EVALUATION_DEADLINE`]. Less than 20 milliseconds count as 20.
    ///
    /// # Errors
    ///
    /// [`HostError::Ticker`] if the system has no thread left.
    pub fn with_deadline(mut self, deadline: Duration) -> Result<Self, HostError> {
        self._ticker = start_ticker(&self.engine, deadline)?;
        self.deadline = deadline;
        Ok(self)
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
                error @ (HostError::DeadlineExceeded { .. }
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
        let instance = self.instantiate()?;
        let refused = |message| SettingsValidationResponse {
            valid: false,
            message: Some(message),
        };
        Ok(
            match instance.host.call("validate_settings", settings.as_bytes()) {
                Ok(answer) => serde_json::from_slice(&answer).unwrap_or_else(|error| {
                    refused(format!("error: InvalidResponseWithError({error:?})"))
                }),
                Err(error) => refused(format!(
                    "Error invoking settings validation callback: {error:?}"
                )),
            },
        )
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
    /// Those of [`call`](Self::call).
    pub fn call_validate(&self, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        self.call("validate", payload)
    }

    /// Calls a waPC function in a fresh instance, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// Those of [`instantiate`](Self::instantiate) and [`Instance::call`].
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        self.instantiate()?.call(operation, payload)
    }

    /// Makes a new instance and runs its initialisation.
    ///
    /// # Errors
    ///
    /// [`HostError::DeadlineExceeded`] if the initialisation takes too long,
    /// [`HostError::Instantiate`] if it fails.
    pub fn instantiate(&self) -> Result<Instance, HostError> {
        let deadlines = EpochDeadlines {
            wapc_init: TICKS_PER_DEADLINE.into(),
            wapc_func: TICKS_PER_DEADLINE.into(),
        };
        let provider = self
            .prepared
            .rehydrate(Some(deadlines))
            .map_err(|error: ProviderError| HostError::Instantiate(error.into()))?;
        match WapcHost::new(Box::new(provider), Some(Box::new(capabilities::answer))) {
            Ok(host) => Ok(Instance {
                host,
                deadline: self.deadline,
            }),
            Err(error) if error.to_string().contains(INTERRUPTED) => {
                Err(HostError::DeadlineExceeded {
                    deadline: self.deadline,
                })
            }
            Err(error) => Err(HostError::Instantiate(error.into())),
        }
    }
}

/// One instance of a policy. What a policy keeps in its memory lasts as long as its instance.
pub struct Instance {
    host: WapcHost,
    deadline: Duration,
}

impl Instance {
    /// Calls a waPC function, bytes in and bytes out.
    ///
    /// # Errors
    ///
    /// [`HostError::DeadlineExceeded`] if it takes too long, [`HostError::Call`] if it traps or the
    /// policy answers with an error.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, HostError> {
        self.host.call(operation, payload).map_err(|source| {
            if source.to_string().contains(INTERRUPTED) {
                HostError::DeadlineExceeded {
                    deadline: self.deadline,
                }
            } else {
                HostError::Call {
                    operation: operation.to_owned(),
                    source,
                }
            }
        })
    }
}

/// Compiles a module that speaks waPC.
pub(crate) fn compile(config: &Config, module: &[u8]) -> Result<Module, HostError> {
    let module = Engine::new(config)
        .and_then(|engine| Module::new(&engine, module))
        .map_err(|error| HostError::CompileModule(error.into()))?;
    if module.get_export("__guest_call").is_none() {
        let rego = module
            .exports()
            .any(|export| export.name().starts_with("opa_"));
        return Err(HostError::NotWapc { rego });
    }
    Ok(module)
}

fn start_ticker(engine: &Engine, deadline: Duration) -> Result<Ticker, HostError> {
    let period = (deadline / TICKS_PER_DEADLINE).max(Duration::from_millis(1));
    Ticker::start(engine, period).map_err(HostError::Ticker)
}

fn decode<T: DeserializeOwned>(operation: &str, answer: &[u8]) -> Result<T, HostError> {
    serde_json::from_slice(answer).map_err(|source| HostError::Answer {
        operation: operation.to_owned(),
        source,
    })
}
