//! Injected pods at work: what `make e2e-pods` runs. Each file of this folder has the scenarios of one subject.

mod approle;
mod changes;
mod deletion;
mod environment;
mod faults;
mod files;
mod hook;
mod jobs;
mod proxy;
mod static_secrets;
mod steering;
mod support;
mod tls;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, exit};

use libtest_mimic::{Arguments, Trial};
use pod_runner::cluster::Cluster;
use pod_runner::programs::Programs;
use support::scenario::{Scenario, Sidecars};
use support::{figures, say};

/// Scenarios wait most of their time, so there may be more of them than CPUs.
const AT_ONCE: usize = 8;

/// What tells the process in namespaces of its own from the one that has made them.
const INSIDE: &str = "POD_RUNNER_INSIDE";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let programs = Programs::find().unwrap_or_else(|error| {
        eprintln!("The pods cannot be run: {error}");
        exit(2);
    });
    if std::env::var_os(INSIDE).is_none() && !arguments.list {
        run_inside();
    }

    let trials: Vec<Trial> = [
        // These last longest.
        faults::SCENARIOS,
        approle::SCENARIOS,
        changes::SCENARIOS,
        deletion::SCENARIOS,
        environment::SCENARIOS,
        files::SCENARIOS,
        hook::SCENARIOS,
        jobs::SCENARIOS,
        proxy::SCENARIOS,
        steering::SCENARIOS,
        static_secrets::SCENARIOS,
        tls::SCENARIOS,
    ]
    .concat()
    .into_iter()
    .flat_map(trials)
    .collect();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let directory = tempfile::tempdir().expect("a directory can be made");
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy.wasm");
    let cluster = Cluster::start(&programs, module.as_ref(), directory.path());
    let cluster = cluster.unwrap_or_else(|error| {
        eprintln!("The pods cannot be run: {error:#}");
        exit(2);
    });
    support::set_cluster(cluster);
    for version in programs.versions() {
        say(&version);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    figures::print();
    conclusion.exit_code()
}

/// Runs this program again as root of its own process and mount namespaces: whatever happens to it, no
/// container and no mount is left behind.
fn run_inside() -> ! {
    let this = std::env::current_exe().expect("this program has a path");
    // Containers do not begin with HUP ignored, as this program may have.
    let error = Command::new("env")
        .args(["--default-signal=HUP", "unshare"])
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "yes")
        .exec();
    eprintln!("The pods cannot be run: unshare (util-linux): {error}");
    exit(2);
}

/// A scenario and how it is called, for each kind of sidecars that it makes sense with.
type Entry = (&'static str, &'static [Sidecars], fn(&Scenario));

fn trials((name, sidecars, run): Entry) -> Vec<Trial> {
    let of = |&sidecars: &Sidecars| {
        Trial::test(format!("{name}_{}", sidecars.name()), move || {
            run(&Scenario::new(name, sidecars));
            Ok(())
        })
    };
    sidecars.iter().map(of).collect()
}
