//! A scenario as a test: alone or beside others, with its outcome in the report.

use std::time::Instant;

use cluster_scenarios::report::{Ending, Outcome};
use cluster_scenarios::vault::Product;
use libtest_mimic::Trial;
use parking_lot::{RwLock, const_rwlock};

use super::entry::{Entry, Needs, Sidecars};
use super::report;
use super::run::run;
use super::scenario::{Scenario, namespace};

/// Scenarios that must be alone have it for themselves.
static CLUSTER: RwLock<()> = const_rwlock(());

/// The tests of a scenario: for each kind of sidecars and each server that it makes sense with.
pub fn of(subject: &'static str, entry: Entry, products: &[Product]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &sidecars in entry.sidecars {
        for &product in products {
            if entry.products.contains(&product) {
                let name = namespace(entry.name, sidecars, product);
                let run = move || {
                    run_one(subject, &entry, sidecars, product);
                    Ok(())
                };
                trials.push(Trial::test(name, run).with_kind(subject));
            }
        }
    }
    trials
}

fn run_one(subject: &'static str, entry: &Entry, sidecars: Sidecars, product: Product) {
    let _alone;
    let _beside;
    if entry.is_alone {
        _alone = CLUSTER.write();
    } else {
        _beside = CLUSTER.read();
    }
    let mut end = End {
        subject,
        entry,
        sidecars,
        product,
        begun: Instant::now(),
        result: Ending::Failed,
    };
    let missing = match entry.needs {
        Needs::LocalCluster if run().local.is_none() => Some("the cluster of make cluster-up"),
        Needs::Kubewarden if !run().admission.is_kubewarden() => Some("Kubewarden's controller"),
        _ => None,
    };
    if let Some(missing) = missing {
        println!("# {} was not run: it needs {missing}", entry.name);
        end.result = Ending::NotRun;
        return;
    }
    let scenario = Scenario::new(entry, sidecars, product);
    (entry.run)(&scenario);
    end.result = scenario.ending();
}

/// Goes into the report when the scenario ends, also by a panic.
struct End<'e> {
    subject: &'static str,
    entry: &'e Entry,
    sidecars: Sidecars,
    product: Product,
    begun: Instant,
    result: Ending,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        report::result(Outcome {
            subject: self.subject.to_owned(),
            scenario: self.entry.name.to_owned(),
            sidecars: self.sidecars.name().to_owned(),
            server: self.product.name().to_owned(),
            result: self.result,
            seconds: self.begun.elapsed().as_secs(),
        });
    }
}
