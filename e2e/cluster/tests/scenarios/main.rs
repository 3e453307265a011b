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
mod kubewarden;
mod load;
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
use std::time::Instant;

use cluster_scenarios::vault::Product;
use libtest_mimic::{Arguments, Trial};
use support::entry::Entry;
use support::run::{self, run};
use support::{report, trial};

/// Scenarios wait most of their time, so there may be more of them than CPUs.
const AT_ONCE: usize = 8;

/// A file of scenarios, and what they show.
struct Subject {
    name: &'static str,
    about: &'static str,
    scenarios: &'static [Entry],
}

/// The subjects, and their scenarios. Those that last longest come first.
const SUBJECTS: &[Subject] = &[
    Subject {
        name: "faults",
        about: "Vault away at start, for a minute, for longer than the token; token at its end; agent or Consul Template killed; secret, key or role missing; a template that fails",
        scenarios: faults::SCENARIOS,
    },
    Subject {
        name: "security",
        about: "users and groups, Pod Security `restricted`, seccomp, LimitRange and ResourceQuota, tokens that the kubelet renews, changes of injected pods",
        scenarios: security::SCENARIOS,
    },
    Subject {
        name: "node",
        about: "API server paused; policy server away; agent out of memory; drained node, eviction; a rolling update of 20 pods",
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
        name: "approle",
        about: "AppRole by files and by Secret, a Secret that comes late",
        scenarios: approle::SCENARIOS,
    },
    Subject {
        name: "changes",
        about: "changed secrets, notification, also one that fails, is missing or does not end, and by signal",
        scenarios: changes::SCENARIOS,
    },
    Subject {
        name: "deletion",
        about: "deletion: the application drains, without token, while static secrets wait",
        scenarios: deletion::SCENARIOS,
    },
    Subject {
        name: "environment",
        about: "environment variables with hostile values, names that are denied, probes and hooks",
        scenarios: environment::SCENARIOS,
    },
    Subject {
        name: "files",
        about: "KV 1 and 2, default and own templates (also 64 KB), both engines, byte for byte",
        scenarios: files::SCENARIOS,
    },
    Subject {
        name: "hook",
        about: "`secrets-hook`: Vault away, own hook, several containers, deletion",
        scenarios: hook::SCENARIOS,
    },
    Subject {
        name: "jobs",
        about: "Jobs that succeed, fail, are tried again, have a deadline; two containers; no API token; without permission; a mesh proxy",
        scenarios: jobs::SCENARIOS,
    },
    Subject {
        name: "proxy",
        about: "the proxy, its leases, in Jobs",
        scenarios: proxy::SCENARIOS,
    },
    Subject {
        name: "static_secrets",
        about: "static secrets; Vault away, secret missing or forbidden",
        scenarios: static_secrets::SCENARIOS,
    },
    Subject {
        name: "steering",
        about: "planted files and links, for each mode and engine; what a renderer can write",
        scenarios: steering::SCENARIOS,
    },
    Subject {
        name: "tls",
        about: "TLS: right, wrong and no authority, verification off",
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
        exit(2);
    }
    let programs = run().programs();
    for (program, version) in &programs {
        println!("# {program}: {version}");
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let subjects = SUBJECTS
        .iter()
        .map(|it| (it.name.to_owned(), it.about.to_owned()));
    let written = report::write(programs, subjects.collect(), begun.elapsed());
    if let Err(error) = written.and_then(|()| run::end()) {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// The scenarios that each change is tried with, all of them with `E2E=all`, or those of many pods with `E2E=load`.
fn chosen() -> Vec<(&'static str, Entry)> {
    let which = env::var("E2E").unwrap_or_else(|_| "quick".to_owned());
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
