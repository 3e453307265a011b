//! Runs a module in wasmtime as policy-server does: compiled once, with a fresh instance for each evaluation.

use anyhow::anyhow;
use wapc::WapcHost;
use wasmtime_provider::{
    EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre,
    wasmtime::{Config, Engine, Module},
};

/// A module, ready for any number of evaluations.
pub(crate) struct Compiled(WasmtimeEngineProviderPre);

impl Compiled {
    pub(crate) fn new(module: &[u8]) -> anyhow::Result<Self> {
        let mut config = Config::new();
        // policy-server interrupts what takes too long, and the code for that takes time as well.
        config.epoch_interruption(true);
        let module = Engine::new(&config)
            .and_then(|engine| Module::new(&engine, module))
            .map_err(|error| anyhow!("{error:#}"))?;
        let prepared = WasmtimeEngineProviderBuilder::new()
            .engine(module.engine().clone())
            .module(module)
            .build_pre()?;
        Ok(Self(prepared))
    }

    /// Makes a new instance and runs its initialisation.
    pub(crate) fn instantiate(&self) -> anyhow::Result<WapcHost> {
        // No epoch ends here.
        let deadlines = EpochDeadlines {
            wapc_init: 1,
            wapc_func: 1,
        };
        let provider = self.0.rehydrate(Some(deadlines))?;
        // Neither module calls its host.
        Ok(WapcHost::new(Box::new(provider), None)?)
    }
}
