//! Injected pods at work in the cluster of `KUBECONFIG`: what `make e2e-cluster` runs. Each file of this folder has the
//! scenarios of one subject.

mod agent_injector;
mod approle;
mod bank_vaults;
mod changes;
mod deletion;
mod environment;
mod faults;
mod files;
mod hook;
mod how_to;
mod jobs;
mod kubewarden;
mod load;
mod node;
mod proxy;
mod references;
mod security;
mod static_secrets;
mod steering;
mod support;
mod tls;
mod workloads;

use std::env;
use std::process::{ExitCode, exit};
use std::time::Instant;

use cluster_scenarios::vault::Product;
use libtest_mimic::{Arguments, Trial};
use support::entry::Entry;
use support::run::{self, run};
use support::{report, trial};

/// Scenarios wait most of their time, so there may be more of them than CPUs.
const AT_ONCE: usize = 16;

/// A file of scenarios, and what they show.
struct Subject {
    name: &'static str,
    about: &'static str,
    scenarios: &'static [Entry],
}

/// The subjects, and their scenarios. Those that last longest come first.
const SUBJECTS: &[Subject] = &[
    Subject {
        name: "security",
        about: "users and groups, Pod Security `restricted`, seccomp, LimitRange and ResourceQuota, class Guaranteed, tokens that the kubelet renews, changes of injected pods",
        scenarios: security::SCENARIOS,
    },
    Subject {
        name: "faults",
        about: "Vault unavailable at the start, for a minute, and until the token has ended; tokens that end; agent or Consul Template killed; a missing secret, key or role; a template that fails",
        scenarios: faults::SCENARIOS,
    },
    Subject {
        name: "node",
        about: "API server or policy server unavailable; agent out of memory; a drained node, evictions; a rolling update of 20 pods",
        scenarios: node::SCENARIOS,
    },
    Subject {
        name: "kubewarden",
        about: "Kubewarden's controller with each overlay of deploy/, and with the policy of a namespace",
        scenarios: kubewarden::SCENARIOS,
    },
    Subject {
        name: "load",
        about: "300 pods at once, a third of which requests injection",
        scenarios: load::SCENARIOS,
    },
    Subject {
        name: "agent_injector",
        about: "pods with the annotations of HashiCorp's Agent Injector: files, templates, commands, Jobs, directories, the token, the cache, AppRole, an agent configuration and templates of the pod's own",
        scenarios: agent_injector::SCENARIOS,
    },
    Subject {
        name: "approle",
        about: "AppRole from files and from a Secret, also one created after the pod",
        scenarios: approle::SCENARIOS,
    },
    Subject {
        name: "bank_vaults",
        about: "the workloads that Bank-Vaults tries its webhook with: references in containers and init containers, without a command, with other users, and an agent configuration",
        scenarios: bank_vaults::SCENARIOS,
    },
    Subject {
        name: "changes",
        about: "changed secrets; notification commands, also ones that fail, are missing or do not end; notification by signal",
        scenarios: changes::SCENARIOS,
    },
    Subject {
        name: "deletion",
        about: "deletion while the application drains, before there is a token, and while static secrets wait",
        scenarios: deletion::SCENARIOS,
    },
    Subject {
        name: "environment",
        about: "environment variables with hostile values, names that are denied; init containers, probes and hooks",
        scenarios: environment::SCENARIOS,
    },
    Subject {
        name: "files",
        about: "KV 1 and 2, default and own templates (also 64 KB, with other delimiters), properties, JSON and lines for shells, certificates and their keys, both engines, byte for byte",
        scenarios: files::SCENARIOS,
    },
    Subject {
        name: "hook",
        about: "`secrets-hook` with Vault unavailable, with a hook of the container's own, in several containers, and at deletion",
        scenarios: hook::SCENARIOS,
    },
    Subject {
        name: "how_to",
        about: "the manifests of docs/how-to: files, environment variables, Jobs, certificates, database credentials, Helm, meshes, OpenShift, several Vaults",
        scenarios: how_to::SCENARIOS,
    },
    Subject {
        name: "jobs",
        about: "Jobs that succeed, fail, are retried or exceed their deadline; with two containers, without an API token or permission, with a mesh proxy, with sidecars that are killed; pods that end without a Job",
        scenarios: jobs::SCENARIOS,
    },
    Subject {
        name: "proxy",
        about: "the proxy, its leases, and the proxy in Jobs",
        scenarios: proxy::SCENARIOS,
    },
    Subject {
        name: "references",
        about: "environment variables that refer to Vault: every form, 200 of them, every byte, what cannot be resolved; restarts when a variable or a file changes; names and prefixes",
        scenarios: references::SCENARIOS,
    },
    Subject {
        name: "static_secrets",
        about: "static secrets, with Vault unavailable, and with a secret that is missing or forbidden",
        scenarios: static_secrets::SCENARIOS,
    },
    Subject {
        name: "steering",
        about: "files and links that an application plants, for each mode and engine; what the sidecars can write",
        scenarios: steering::SCENARIOS,
    },
    Subject {
        name: "tls",
        about: "TLS with a trusted, another and no authority, and without verification",
        scenarios: tls::SCENARIOS,
    },
    Subject {
        name: "workloads",
        about: "Deployment, StatefulSet with volumes, DaemonSet, CronJob; rejected workloads; what never reaches the policy",
        scenarios: workloads::SCENARIOS,
    },
];

fn main() -> ExitCode {
    let begun = Instant::now();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let (chosen, products) = (chosen(), products());
    let trials: Vec<Trial> = chosen
        .iter()
        .flat_map(|&(subject, entry)| trial::of(subject, entry, &products))
        .collect();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let entries: Vec<Entry> = chosen.iter().map(|&(_, entry)| entry).collect();
    if let Err(error) = run::begin(&entries, &products) {
        eprintln!("The scenarios cannot be run: {error:#}");
        return ExitCode::from(2);
    }
    let programs = run().programs();
    for (program, version) in &programs {
        println!("# {program}: {version}");
    }
    let mut selection = format!("E2E={} SERVERS={}", which(), servers());
    for filter in arguments.filter.iter().chain(&arguments.skip) {
        selection = format!("{selection} {filter}");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let subjects = SUBJECTS
        .iter()
        .map(|it| (it.name.to_owned(), it.about.to_owned()));
    let written = report::write(selection, programs, subjects.collect(), begun.elapsed());
    let ended = run::end();
    let errors: Vec<_> = [written, ended]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    for error in &errors {
        eprintln!("{error:#}");
    }
    match errors.is_empty() {
        true => conclusion.exit_code(),
        false => ExitCode::FAILURE,
    }
}

/// The scenarios that each change is tried with, all of them with `E2E=all`, or those of many pods with `E2E=load`.
fn chosen() -> Vec<(&'static str, Entry)> {
    let which = which();
    let is_chosen = |entry: &Entry| match which.as_str() {
        "quick" => entry.is_quick,
        "all" => !entry.is_load,
        "load" => entry.is_load,
        other => {
            eprintln!("E2E: {other:?} is not valid; expected one of quick, all, load");
            exit(2);
        }
    };
    let of_subject = |subject: &'static Subject| {
        let entries = subject.scenarios.iter();
        entries.map(|&entry| (subject.name, entry))
    };
    let entries = SUBJECTS.iter().flat_map(of_subject);
    let mut entries: Vec<_> = entries.filter(|(_, entry)| is_chosen(entry)).collect();
    entries.sort_by_key(|(_, entry)| entry.is_alone);
    entries
}

fn which() -> String {
    env::var("E2E").unwrap_or_else(|_| "quick".to_owned())
}

fn servers() -> String {
    env::var("SERVERS").unwrap_or_else(|_| "vault".to_owned())
}

/// The servers: Vault, or those in `SERVERS`, such as `vault,openbao`.
fn products() -> Vec<Product> {
    let product = |name: &str| match name {
        "vault" => Product::Vault,
        "openbao" => Product::OpenBao,
        other => {
            eprintln!("SERVERS: {other:?} is not a server; expected one of vault, openbao");
            exit(2);
        }
    };
    servers().split(',').map(product).collect()
}
