//! A scenario as the table of its subject has it: its name, what it runs, and what it needs.

use cluster_scenarios::vault::Product;
use serde_json::{Value, json};

use super::scenario::Scenario;

/// The ways in which sidecars run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sidecars {
    Classic,
    Native,
}

impl Sidecars {
    /// As the annotation has it.
    pub fn name(self) -> &'static str {
        match self {
            Sidecars::Classic => "classic",
            Sidecars::Native => "native",
        }
    }
}

/// For scenarios that make sense with both.
pub const BOTH: &[Sidecars] = &[Sidecars::Classic, Sidecars::Native];
pub const CLASSIC: &[Sidecars] = &[Sidecars::Classic];
pub const NATIVE: &[Sidecars] = &[Sidecars::Native];

const ALL_PRODUCTS: &[Product] = &[Product::Vault, Product::OpenBao];

/// What a scenario needs of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    AnyCluster,
    /// The one of `make cluster-up`, whose programs can be paused.
    LocalCluster,
    /// One with Kubewarden's controller.
    Kubewarden,
}

/// A scenario.
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub sidecars: &'static [Sidecars],
    pub run: fn(&Scenario),
    /// The servers it is run with.
    pub products: &'static [Product],
    /// The policy's settings that differ from the defaults.
    pub settings: fn() -> Value,
    /// Labels of its namespace.
    pub labels: &'static [(&'static str, &'static str)],
    /// Whether it has a Vault server of its own, which it may stop.
    pub has_own_vault: bool,
    /// Whether its namespace has no policy of the run's.
    pub is_without_policy: bool,
    pub needs: Needs,
    /// Whether no other scenario may run meanwhile.
    pub is_alone: bool,
    /// Whether it starts so many pods that it is run only by `E2E=load`.
    pub is_load: bool,
    /// Whether it belongs to the ones that each change is tried with.
    pub is_quick: bool,
}

/// A scenario with the default settings.
pub const fn entry(name: &'static str, sidecars: &'static [Sidecars], run: fn(&Scenario)) -> Entry {
    Entry {
        name,
        sidecars,
        run,
        products: ALL_PRODUCTS,
        settings: || json!({}),
        labels: &[],
        has_own_vault: false,
        is_without_policy: false,
        needs: Needs::AnyCluster,
        is_alone: false,
        is_load: false,
        is_quick: false,
    }
}

impl Entry {
    /// With these settings over the defaults.
    pub const fn settings(self, settings: fn() -> Value) -> Self {
        Self { settings, ..self }
    }

    /// With these labels of its namespace.
    pub const fn labels(self, labels: &'static [(&'static str, &'static str)]) -> Self {
        Self { labels, ..self }
    }

    /// With a Vault server of its own.
    pub const fn own_vault(self) -> Self {
        Self {
            has_own_vault: true,
            ..self
        }
    }

    /// With HashiCorp Vault only, where the server makes no difference.
    pub const fn vault_only(self) -> Self {
        Self {
            products: &[Product::Vault],
            ..self
        }
    }

    /// In the cluster of `make cluster-up` only.
    pub const fn local(self) -> Self {
        Self {
            needs: Needs::LocalCluster,
            ..self
        }
    }

    /// Where Kubewarden's controller is.
    pub const fn kubewarden(self) -> Self {
        Self {
            needs: Needs::Kubewarden,
            ..self
        }
    }

    /// Without a policy of the run's in its namespace.
    pub const fn without_policy(self) -> Self {
        Self {
            is_without_policy: true,
            ..self
        }
    }

    /// While no other runs.
    pub const fn alone(self) -> Self {
        Self {
            is_alone: true,
            ..self
        }
    }

    /// With so many pods that it is run only by `E2E=load`.
    pub const fn load(self) -> Self {
        Self {
            is_load: true,
            ..self
        }
    }

    /// Each change is tried with it.
    pub const fn quick(self) -> Self {
        Self {
            is_quick: true,
            ..self
        }
    }
}
