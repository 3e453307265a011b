//! Measures by taking turns: a machine is never equally fast for long, and what slows it down must slow down both
//! modules and all requests, so that their ratios hold.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use policy_host::{Policy, ValidationResponse};

use crate::engine::Compiled;
use crate::numbers::{Evaluation, Module, Numbers, Outcome, Point, RequestNumbers, SeriesNumbers};
use crate::requests::{self, Case};

/// How often each module is compiled.
const COMPILATIONS: usize = 7;

/// Measures everything.
pub(crate) fn run(policy: &[u8], baseline: &[u8], rounds: usize) -> anyhow::Result<Numbers> {
    let compile = compile_in_turns([policy, baseline])?;
    let modules = Modules {
        compiled: [
            Compiled::new(policy).context("the policy")?,
            Compiled::new(baseline).context("the baseline")?,
        ],
        interpreted: [Policy::from_bytes(policy)?, Policy::from_bytes(baseline)?],
    };

    let cases = requests::cases()?;
    let mut subjects = modules.subjects(&cases)?;
    take_turns(&mut subjects, rounds)?;
    let instantiate = |role: usize| {
        let of_module = subjects.iter().skip(role).step_by(2);
        median(of_module.flat_map(|subject| &subject.instantiate))
    };
    let instantiate = [instantiate(0), instantiate(1)];
    let requests = cases
        .iter()
        .zip(subjects.chunks_exact(2))
        .map(|(case, pair)| RequestNumbers {
            name: case.name.clone(),
            outcome: case.outcome,
            bytes: case.payload.len(),
            policy: pair[0].evaluation(),
            baseline: pair[1].evaluation(),
        })
        .collect();

    Ok(Numbers {
        rounds,
        compilations: COMPILATIONS,
        policy: Module {
            bytes: policy.len(),
            compile: compile[0],
            instantiate: instantiate[0],
        },
        baseline: Module {
            bytes: baseline.len(),
            compile: compile[1],
            instantiate: instantiate[1],
        },
        requests,
        scaling: scaling(&modules, rounds)?,
    })
}

/// All series at once, so that they take turns as well.
fn scaling(modules: &Modules, rounds: usize) -> anyhow::Result<Vec<SeriesNumbers>> {
    let series = requests::series()?;
    let cases = series.iter().flat_map(|series| &series.cases);
    let mut subjects = modules.subjects(cases.map(|(_, case)| case))?;
    take_turns(&mut subjects, rounds)?;

    let mut pairs = subjects.chunks_exact(2);
    let numbers = series.iter().map(|series| SeriesNumbers {
        name: series.name.to_owned(),
        unit: series.unit.to_owned(),
        points: series
            .cases
            .iter()
            .zip(&mut pairs)
            .map(|((amount, case), pair)| Point {
                amount: *amount,
                bytes: case.payload.len(),
                policy: median(&pair[0].validate),
                baseline: median(&pair[1].validate),
            })
            .collect(),
    });
    Ok(numbers.collect())
}

/// The policy and the baseline.
struct Modules {
    compiled: [Compiled; 2],
    /// They show how much memory is used.
    interpreted: [Policy; 2],
}

impl Modules {
    /// For each case two subjects, first the policy and then the baseline, after both have answered it as they
    /// should.
    fn subjects<'a>(
        &'a self,
        cases: impl IntoIterator<Item = &'a Case>,
    ) -> anyhow::Result<Vec<Subject<'a>>> {
        let mut subjects = Vec::new();
        for case in cases {
            let outcomes = [case.outcome, Outcome::Accepted];
            for ((compiled, interpreted), outcome) in
                self.compiled.iter().zip(&self.interpreted).zip(outcomes)
            {
                expect(compiled, case, outcome)?;
                subjects.push(Subject {
                    module: compiled,
                    memory: interpreted.measure("validate", &case.payload)?.memory_bytes,
                    payload: &case.payload,
                    instantiate: Vec::new(),
                    validate: Vec::new(),
                    both: Vec::new(),
                });
            }
        }
        Ok(subjects)
    }
}

fn expect(module: &Compiled, case: &Case, expected: Outcome) -> anyhow::Result<()> {
    let answer = module.instantiate()?.call("validate", &case.payload)?;
    let answer: ValidationResponse = serde_json::from_slice(&answer)?;
    let outcome = match (answer.accepted, &answer.mutated_object) {
        (false, _) => Outcome::Rejected,
        (true, None) => Outcome::Accepted,
        (true, Some(_)) => Outcome::Mutated,
    };
    if outcome != expected {
        let message = answer.message.unwrap_or_default();
        bail!("{} was {} {message}", case.name, outcome.name());
    }
    Ok(())
}

/// One request of one module, and its times.
struct Subject<'a> {
    module: &'a Compiled,
    memory: u64,
    payload: &'a [u8],
    instantiate: Vec<Duration>,
    validate: Vec<Duration>,
    both: Vec<Duration>,
}

impl Subject<'_> {
    fn measure(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        let instance = self.module.instantiate()?;
        let instantiated = start.elapsed();
        let answer = instance.call("validate", self.payload);
        let both = start.elapsed();
        answer?;

        self.instantiate.push(instantiated);
        self.validate.push(both - instantiated);
        self.both.push(both);
        Ok(())
    }

    fn evaluation(&self) -> Evaluation {
        Evaluation {
            instantiate: median(&self.instantiate),
            validate: median(&self.validate),
            both: median(&self.both),
            memory: self.memory,
        }
    }
}

/// Every subject once in each round, in another order in each: whoever comes after a large request finds cold caches
/// and memory that has just been given back. A tenth as many rounds come before, to warm up.
fn take_turns(subjects: &mut [Subject<'_>], rounds: usize) -> anyhow::Result<()> {
    for _ in 0..rounds.div_ceil(10) {
        subjects.iter_mut().try_for_each(Subject::measure)?;
    }
    for subject in &mut *subjects {
        subject.instantiate.clear();
        subject.validate.clear();
        subject.both.clear();
    }
    let mut order: Vec<_> = (0..subjects.len()).collect();
    let mut random = Random(1);
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for index in &order {
            subjects[*index].measure()?;
        }
    }
    Ok(())
}

/// Random enough for an order (Marsaglia's xorshift), and the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for end in (1..order.len()).rev() {
            order.swap(end, self.next() as usize % (end + 1));
        }
    }
}

fn compile_in_turns(modules: [&[u8]; 2]) -> anyhow::Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..COMPILATIONS {
        for (module, times) in modules.iter().zip(&mut times) {
            let start = Instant::now();
            let compiled = Compiled::new(module)?;
            times.push(start.elapsed());
            drop(compiled);
        }
    }
    Ok(times.map(|times| median(&times)))
}

/// In microseconds, to a hundredth. Of a non-empty series; the higher of the two in the middle.
fn median<'a>(times: impl IntoIterator<Item = &'a Duration>) -> f64 {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    let nanoseconds = times[times.len() / 2].as_nanos() as f64;
    (nanoseconds / 10.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_order_has_everything_once_and_any_place_can_be_the_first() {
        let mut random = Random(1);
        let mut order: Vec<_> = (0..10).collect();
        let mut first = BTreeSet::new();
        for _ in 0..100 {
            random.shuffle(&mut order);
            first.insert(order[0]);
            let sorted: BTreeSet<_> = order.iter().copied().collect();
            assert_eq!(sorted.len(), 10);
        }
        assert_eq!(first.len(), 10);
    }

    #[test]
    fn one_long_time_does_not_move_the_median() {
        let times = [3, 1, 2, 1_000, 4].map(Duration::from_micros);
        assert_eq!(median(&times), 3.0);
        assert_eq!(median(&[Duration::from_nanos(1_234)]), 1.23);
    }
}
