//! Injected pods at work in the cluster of `KUBECONFIG`: what `make e2e-cluster` runs. Each file of this folder has the
//! scenarios of one subject.

mod approle;
mod changes;
mod deletion;
mod environment;
mod faults;
mod files;
mod hook;
mod jobs;
mod node;
mod proxy;
mod security;
mod static_secrets;
mod steering;
mod support;
mod tls;
mod workloads;

use std::env;
use std::process::{ExitCode, exit};
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use anyhow::Result;
use cluster_scenarios::vault::Product;
use libtest_mimic::{Arguments, Trial};
use serde_json::json;
use support::entry::{Entry, Sidecars};
use support::report;
use support::run::{self, run};
use support::scenario::Scenario;

/// Scenarios wait most of their time, so there may be more of them than CPUs.
const AT_ONCE: usize = 8;

/// Scenarios that must be alone hold it.
static CLUSTER: RwLock<()> = RwLock::new(());

/// The subjects, and their scenarios. Those that last longest come first.
const SUBJECTS: &[(&str, &[Entry])] = &[
    ("faults", faults::SCENARIOS),
    ("security", security::SCENARIOS),
    ("node", node::SCENARIOS),
    ("approle", approle::SCENARIOS),
    ("changes", changes::SCENARIOS),
    ("deletion", deletion::SCENARIOS),
    ("environment", environment::SCENARIOS),
    ("files", files::SCENARIOS),
    ("hook", hook::SCENARIOS),
    ("jobs", jobs::SCENARIOS),
    ("proxy", proxy::SCENARIOS),
    ("static_secrets", static_secrets::SCENARIOS),
    ("steering", steering::SCENARIOS),
    ("tls", tls::SCENARIOS),
    ("workloads", workloads::SCENARIOS),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let chosen = chosen();
    let trials = trials(&chosen);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let entries: Vec<Entry> = chosen.iter().map(|(_, entry)| *entry).collect();
    if let Err(error) = run::begin(&entries, &products()) {
        eprintln!("The scenarios cannot be run: {error:#}");
        exit(2);
    }
    let programs = programs().unwrap_or_else(|error| json!(error.to_string()));
    println!("# {programs}");
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(error) = report::write(programs)
        .map_err(Into::into)
        .and_then(|()| run::end())
    {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// The scenarios that each change is tried with, or all of them with `E2E=all`.
fn chosen() -> Vec<(&'static str, Entry)> {
    let all = env::var("E2E").is_ok_and(|which| which == "all");
    let of_subject = |&(subject, entries): &(&'static str, &'static [Entry])| {
        entries
            .iter()
            .map(move |entry| (subject, *entry))
            .collect::<Vec<_>>()
    };
    let entries = SUBJECTS.iter().flat_map(of_subject);
    let mut entries: Vec<_> = entries.filter(|(_, entry)| all || entry.is_quick).collect();
    entries.sort_by_key(|(_, entry)| entry.is_alone);
    entries
}

/// The servers: Vault, or those in `SERVERS`, such as `vault,openbao`.
fn products() -> Vec<Product> {
    let servers = env::var("SERVERS").unwrap_or_else(|_| "vault".to_owned());
    let product = |name: &str| match name {
        "vault" => Product::Vault,
        "openbao" => Product::OpenBao,
        other => {
            eprintln!("SERVERS: {other:?} is not a server; expected one of vault, openbao");
            exit(2);
        }
    };
    servers.split(',').map(product).collect()
}

fn trials(chosen: &[(&'static str, Entry)]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(subject, entry) in chosen {
        for &sidecars in entry.sidecars {
            for product in products() {
                if entry.products.contains(&product) {
                    trials.push(trial(subject, entry, sidecars, product));
                }
            }
        }
    }
    trials
}

fn trial(subject: &'static str, entry: Entry, sidecars: Sidecars, product: Product) -> Trial {
    let name = support::scenario::namespace(entry.name, sidecars, product);
    let trial = Trial::test(name, move || {
        let _alone;
        let _beside;
        if entry.is_alone {
            _alone = CLUSTER.write().unwrap_or_else(PoisonError::into_inner);
        } else {
            _beside = CLUSTER.read().unwrap_or_else(PoisonError::into_inner);
        }
        let mut outcome = Outcome {
            subject,
            entry,
            sidecars,
            product,
            begun: Instant::now(),
            passed: false,
        };
        if entry.is_local && run().local.is_none() {
            println!("# not run, because it needs the cluster of make cluster-up:");
        } else {
            (entry.run)(&Scenario::new(&entry, sidecars, product));
            outcome.passed = true;
        }
        Ok(())
    });
    trial.with_kind(subject)
}

/// Goes into the report when the scenario ends, also by a panic.
struct Outcome {
    subject: &'static str,
    entry: Entry,
    sidecars: Sidecars,
    product: Product,
    begun: Instant,
    passed: bool,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let (sidecars, product) = (self.sidecars.name(), self.product.name());
        let time = self.begun.elapsed();
        report::result(
            self.subject,
            self.entry.name,
            sidecars,
            product,
            self.passed,
            time,
        );
    }
}

/// What the scenarios run with, and its versions.
fn programs() -> Result<serde_json::Value> {
    let run = run();
    let mut servers = Vec::new();
    for product in products() {
        servers.push(run.server(product).version()?);
    }
    let nodes = run.cluster.nodes()?;
    let node = nodes
        .first()
        .and_then(|node| node.status.as_ref()?.node_info.as_ref());
    Ok(json!({
        "API server": run.cluster.version,
        "kubelet": node.map(|node| &node.kubelet_version),
        "container runtime": node.map(|node| &node.container_runtime_version),
        "kernel": node.map(|node| &node.kernel_version),
        "policy": run.admission.description(),
        "servers": servers,
    }))
}
