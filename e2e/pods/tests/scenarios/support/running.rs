//! A pod that runs, and what a scenario can see of it.

use std::fs;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pod_runner::container::{Container, End};
use pod_runner::pod::{Life, Phase, Pod};
use pod_runner::runtime::{Executed, POLL};

pub const AGENT: &str = "tvsi-vault-agent";
pub const AGENT_INIT: &str = "tvsi-vault-agent-init";
pub const CONSUL_TEMPLATE: &str = "tvsi-consul-template";
pub const BABYSITTER: &str = "tvsi-job-babysitter";
pub const BABYSITTER_INIT: &str = "tvsi-job-babysitter-init";

/// The container that writes the files of pods with this template engine.
pub fn renderer(engine: &str) -> &'static str {
    match engine {
        "vault-agent" => AGENT,
        _ => CONSUL_TEMPLATE,
    }
}

/// What has not happened by then never will. Only a scenario that fails waits as long.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A pod, which is deleted when this is dropped.
pub struct Running {
    pod: Arc<Pod>,
    worker: Option<JoinHandle<()>>,
}

impl Running {
    pub fn new(pod: Arc<Pod>, worker: JoinHandle<()>) -> Self {
        Self {
            pod,
            worker: Some(worker),
        }
    }

    /// What is known of it now.
    pub fn life(&self) -> MutexGuard<'_, Life> {
        self.pod.life()
    }

    /// Waits until something is true of the pod.
    pub fn wait_until(&self, what: &str, is_true: impl FnMut(&Life) -> bool) {
        assert!(self.pod.wait(LIMIT, is_true), "did not happen: {what}");
    }

    /// Waits until a container runs, and has passed its startup probe.
    pub fn wait_until_started(&self, name: &str) {
        self.wait_until(&format!("{name} has started"), |life| {
            of(life, name).has_started()
        });
    }

    /// Waits until a container has ended for good, and returns how.
    pub fn wait_until_over(&self, name: &str) -> End {
        self.wait_until(&format!("{name} is over"), |life| of(life, name).is_over());
        self.end_of(name)
    }

    /// Waits until the first run of a container has ended, which may be started again, and returns how, and
    /// how long it lasted.
    pub fn wait_until_first_run_ended(&self, name: &str) -> (End, Duration) {
        let mut found = None;
        self.wait_until(&format!("the first run of {name} has ended"), |life| {
            let first = of(life, name).runs.first();
            found = first.and_then(|run| Some((run.end.clone()?, run.began)));
            found.is_some()
        });
        let (end, began) = found.expect("it has been waited for");
        let lasted = end.at - began;
        (end, lasted)
    }

    /// Waits until the pod has ended by itself.
    pub fn wait_until_ended(&self) -> Phase {
        self.wait_until("the pod has ended", |life| life.ended.is_some());
        self.pod.life().phase
    }

    /// Watches for a while that something does not become true of the pod.
    pub fn assert_not_within(
        &self,
        time: Duration,
        what: &str,
        is_true: impl FnMut(&Life) -> bool,
    ) {
        assert!(!self.pod.wait(time, is_true), "happened: {what}");
    }

    /// Waits until a container's log contains `text`.
    pub fn wait_for_log(&self, name: &str, text: &str) {
        self.wait_until_true(&format!("{name} says {text:?}"), || {
            self.log(name).contains(text)
        });
    }

    /// Waits until a file in a container has exactly this content.
    pub fn wait_for_content(&self, container: &str, path: &str, content: &[u8]) {
        self.wait_until_true(&format!("{path} in {container} has the content"), || {
            let read = self.execute(container, &["cat", path]);
            read.is_ok_and(|read| read.succeeded() && read.output == content)
        });
    }

    /// Waits until a question that costs more than a look is answered with yes.
    pub fn wait_until_true(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_true() {
            assert!(Instant::now() < deadline, "did not happen: {what}");
            thread::sleep(POLL * 4);
        }
    }

    /// Runs a command in a container, as `kubectl exec` does.
    pub fn execute(&self, container: &str, command: &[&str]) -> anyhow::Result<Executed> {
        self.pod.execute(container, command, LIMIT)
    }

    /// A file in a container.
    pub fn read(&self, container: &str, path: &str) -> Vec<u8> {
        let read = self.execute(container, &["cat", path]).expect("it runs");
        let output = String::from_utf8_lossy(&read.output).into_owned();
        assert!(read.succeeded(), "{path} in {container}: {output}");
        read.output
    }

    /// What a container has written, in all its runs.
    pub fn log(&self, name: &str) -> String {
        let life = self.pod.life();
        let runs = of(&life, name).runs.iter();
        runs.map(|run| fs::read(&run.log).unwrap_or_default())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .collect()
    }

    /// How a container's last run has ended.
    pub fn end_of(&self, name: &str) -> End {
        let life = self.pod.life();
        let end = of(&life, name).end().cloned();
        end.unwrap_or_else(|| panic!("{name} has not ended"))
    }

    /// How often a container was started again.
    pub fn restarts(&self, name: &str) -> usize {
        let life = self.pod.life();
        of(&life, name).runs.len().saturating_sub(1)
    }

    /// The time since the pod was submitted.
    pub fn age(&self) -> Duration {
        self.pod.life().began.elapsed()
    }

    /// When the last run of a container has begun.
    pub fn began(&self, name: &str) -> Instant {
        let life = self.pod.life();
        let last = of(&life, name).runs.last();
        last.map(|run| run.began)
            .unwrap_or_else(|| panic!("{name} has not begun"))
    }

    /// Whether a container was started at least once.
    pub fn has_begun(&self, name: &str) -> bool {
        let life = self.pod.life();
        !of(&life, name).runs.is_empty()
    }

    /// Asserts that a container was never started.
    pub fn assert_never_began(&self, name: &str) {
        assert!(!self.has_begun(name), "{name} began");
    }

    /// What the kubelet has told.
    pub fn events(&self) -> Vec<String> {
        let life = self.pod.life();
        life.events.iter().map(|(_, event)| event.clone()).collect()
    }

    /// The names of the pod's containers, init containers first.
    pub fn containers(&self) -> Vec<String> {
        let life = self.pod.life();
        let names = life.containers.iter();
        names.map(|container| container.spec.name.clone()).collect()
    }

    /// The agent's token, once it has one.
    pub fn token(&self) -> String {
        let file = self.pod.volume("tvsi-shared").join(".vault-token");
        let read = || fs::read_to_string(&file).unwrap_or_default();
        self.wait_until_true("the agent has a token", || !read().is_empty());
        read()
    }

    /// The directory of a volume on the node.
    pub fn volume(&self, name: &str) -> std::path::PathBuf {
        self.pod.volume(name)
    }

    /// Deletes the pod, and returns how long it took to end.
    pub fn delete(&self) -> Duration {
        let begin = Instant::now();
        self.begin_deletion();
        self.wait_until("the pod has ended", |life| life.ended.is_some());
        begin.elapsed()
    }

    /// Deletes the pod without waiting for its end.
    pub fn begin_deletion(&self) {
        self.pod.delete();
    }

    /// Asserts that every container has ended when it was told to.
    pub fn assert_not_killed(&self) {
        let events = self.events();
        let killed = events.iter().any(|event| event.starts_with("Killing"));
        assert!(!killed, "{events:?}");
    }

    /// All that helps to see why a scenario has failed.
    fn report(&self) -> String {
        let mut report = String::new();
        let life = self.pod.life();
        let name = &self.pod.object.metadata.namespace;
        for (at, event) in &life.events {
            let time = at.duration_since(life.began).as_secs_f64();
            report += &format!("{name:?}: event at {time:.1} s: {event}\n");
        }
        for container in &life.containers {
            for run in &container.runs {
                let since = |at: Instant| at.duration_since(life.began).as_secs_f64();
                report += &format!(
                    "{name:?}: {} began at {:.1} s, started: {}, end: {:?}\n",
                    container.spec.name,
                    since(run.began),
                    run.started,
                    run.end
                        .as_ref()
                        .map(|end| (since(end.at), end.status, &end.message)),
                );
                let log = fs::read(&run.log).unwrap_or_default();
                for line in String::from_utf8_lossy(&log)
                    .lines()
                    .rev()
                    .take(40)
                    .collect::<Vec<_>>()
                    .iter()
                    .rev()
                {
                    report += &format!("    {line}\n");
                }
            }
        }
        report
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.report());
        }
        self.pod.delete();
        // One that does not end, because a hook of it does not, ends with this process.
        let has_ended = self.pod.wait(LIMIT, |life| life.ended.is_some());
        if has_ended && let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn of<'l>(life: &'l Life, name: &str) -> &'l Container {
    life.container(name)
        .unwrap_or_else(|| panic!("there is no container {name}"))
}
