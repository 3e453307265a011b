//! A pod that runs, and what a scenario expects of it.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cluster_scenarios::pod::{End, Executed, Life, Pod};
use cluster_scenarios::wait;

pub const AGENT: &str = "tvsi-vault-agent";
pub const AGENT_INIT: &str = "tvsi-vault-agent-init";
pub const CONSUL_TEMPLATE: &str = "tvsi-consul-template";
pub const BABYSITTER: &str = "tvsi-job-babysitter";
pub const BABYSITTER_INIT: &str = "tvsi-job-babysitter-init";

/// Where the agent has its token.
pub const TOKEN: &str = "/opt/talend/tvsi/.vault-token";

/// Where the secrets are.
pub const SECRETS: &str = "/opt/talend/secrets";

/// The file of a pod that names none.
pub const FILE: &str = "/opt/talend/secrets/secrets.properties";

/// The port of proxies in these scenarios, which is not the one by default.
pub const PROXY_PORT: u16 = 8300;

/// The container that writes the files of pods with this template engine.
pub fn renderer(engine: &str) -> &'static str {
    match engine {
        "vault-agent" => AGENT,
        _ => CONSUL_TEMPLATE,
    }
}

/// What has not happened by then never will. Only a scenario that fails waits as long.
pub const LIMIT: Duration = Duration::from_secs(180);

/// How long sidecars may take to end: less than the grace period of 30 s, at whose end containers are killed.
pub const SOON: Duration = Duration::from_secs(25);

/// A pod, which is deleted when this is dropped.
pub struct Running {
    pod: Pod,
}

impl Running {
    pub fn new(pod: Pod) -> Self {
        Self { pod }
    }

    /// The pod's name.
    pub fn name(&self) -> &str {
        &self.pod.name
    }

    /// What is known of it now.
    pub fn life(&self) -> parking_lot::MutexGuard<'_, Life> {
        self.pod.life()
    }

    /// Waits until something is true of the pod.
    pub fn wait_until(&self, what: &str, is_true: impl FnMut(&Life) -> bool) {
        assert!(self.pod.wait(LIMIT, is_true), "did not happen: {what}");
    }

    /// Waits until a container runs, and has passed its startup probe.
    pub fn wait_until_started(&self, name: &str) {
        self.wait_until(&format!("{name} has started"), |life| {
            life.container(name).has_started()
        });
    }

    /// Waits until the pod is ready.
    pub fn wait_until_ready(&self) {
        self.wait_until("the pod is ready", Life::is_ready);
    }

    /// Waits until a container has ended for good, and returns how.
    pub fn wait_until_over(&self, name: &str) -> End {
        self.wait_until(&format!("{name} is over"), |life| {
            life.container(name).is_over()
        });
        self.end_of(name)
    }

    /// Waits until the first run of a container has ended, which may be started again, and returns how, and how long
    /// it lasted.
    pub fn wait_until_first_run_ended(&self, name: &str) -> (End, Duration) {
        let mut found = None;
        self.wait_until(&format!("the first run of {name} has ended"), |life| {
            let first = life.container(name).runs.first();
            found = first.and_then(|run| Some((run.end.clone()?, run.began?)));
            found.is_some()
        });
        let (end, began) = found.expect("it has been waited for");
        let lasted = since(end.at, began);
        (end, lasted)
    }

    /// Waits until the pod has ended, and returns its phase: `Succeeded` or `Failed`.
    pub fn wait_until_ended(&self) -> String {
        self.wait_until("the pod has ended", Life::has_ended);
        self.pod.life().phase().to_owned()
    }

    /// Waits until the pod is gone.
    pub fn wait_until_gone(&self) {
        self.wait_until("the pod is gone", |life| life.is_gone);
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
        self.wait_until_true(&format!("{name} logs {text:?}"), || {
            self.log(name).contains(text)
        });
    }

    /// Waits until an event of the pod contains `text`.
    pub fn wait_for_event(&self, text: &str) {
        self.wait_until_true(&format!("an event says {text:?}"), || {
            self.events().iter().any(|event| event.contains(text))
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
    pub fn wait_until_true(&self, what: &str, is_true: impl FnMut() -> bool) {
        wait_until_true(LIMIT, what, is_true);
    }

    /// Runs a command in a container, as `kubectl exec` does.
    pub fn execute(&self, container: &str, command: &[&str]) -> anyhow::Result<Executed> {
        self.pod.execute(container, command)
    }

    /// The same, once the container has started.
    fn execute_once_started(&self, container: &str, command: &[&str]) -> Executed {
        let mut executed = None;
        self.wait_until_true(&format!("{container} is there"), || {
            match self.execute(container, command) {
                Err(error) if format!("{error:#}").contains("container not found") => false,
                run => {
                    executed = Some(run.expect("it runs"));
                    true
                }
            }
        });
        executed.expect("it has been waited for")
    }

    /// Whether a command can be run in a container, which no status reports while a hook runs.
    pub fn can_execute(&self, container: &str) -> bool {
        let run = self.execute(container, &["true"]);
        run.is_ok_and(|run| run.succeeded())
    }

    /// Runs a shell script in a container, which succeeds, and returns what it has written.
    pub fn shell(&self, container: &str, script: &str) -> String {
        let run = self.execute_once_started(container, &["sh", "-c", script]);
        assert!(run.succeeded(), "{container}: {script}: {}", run.text());
        run.text()
    }

    /// Asserts that a shell script fails in a container with `message` in its output, which may be empty.
    pub fn assert_fails(&self, container: &str, script: &str, message: &str) {
        let run = self.execute_once_started(container, &["sh", "-c", script]);
        assert!(!run.succeeded(), "{container}: {script}");
        let text = run.text();
        assert!(text.contains(message), "{container}: {script}: {text}");
    }

    /// Kills a program. The container's script ends with it, and takes the command along that has killed it: whether it
    /// worked shows in what follows.
    pub fn kill(&self, container: &str, program: &str) {
        let _ = self.execute(container, &["killall", "-KILL", program]);
    }

    /// A file in a container.
    pub fn read(&self, container: &str, path: &str) -> Vec<u8> {
        let read = self.execute_once_started(container, &["cat", path]);
        assert!(read.succeeded(), "{path} in {container}: {}", read.text());
        read.output
    }

    /// What a container has written, in all its runs.
    pub fn log(&self, name: &str) -> String {
        self.pod.log(name)
    }

    /// How a container's last run has ended.
    pub fn end_of(&self, name: &str) -> End {
        let life = self.pod.life();
        let end = life.container(name).end().cloned();
        end.unwrap_or_else(|| panic!("{name} has not ended"))
    }

    /// How often a container was started again.
    pub fn restarts(&self, name: &str) -> usize {
        self.pod.life().container(name).restarts()
    }

    /// Asserts that these containers were never started again.
    pub fn assert_no_restarts(&self, names: &[impl AsRef<str>]) {
        for name in names.iter().map(AsRef::as_ref) {
            assert_eq!(self.restarts(name), 0, "{name} of {}", self.name());
        }
    }

    /// The time since the pod was submitted.
    pub fn age(&self) -> Duration {
        self.pod.submitted.elapsed()
    }

    /// When the last run of a container has begun, in whole seconds.
    pub fn began(&self, name: &str) -> SystemTime {
        let life = self.pod.life();
        let last = life.container(name).runs.last();
        last.and_then(|run| run.began)
            .unwrap_or_else(|| panic!("{name} has not begun"))
    }

    /// Whether a container was started at least once.
    pub fn has_begun(&self, name: &str) -> bool {
        !self.pod.life().container(name).runs.is_empty()
    }

    /// Asserts that a container was never started.
    pub fn assert_never_began(&self, name: &str) {
        assert!(!self.has_begun(name), "{name} began");
    }

    /// What the pod's events say, as `REASON: MESSAGE`.
    pub fn events(&self) -> Vec<String> {
        self.pod.events()
    }

    /// The names of the pod's containers, init containers first.
    pub fn containers(&self) -> Vec<String> {
        self.pod.life().containers()
    }

    /// The agent's token, once it has one.
    pub fn token(&self) -> String {
        let mut token = String::new();
        self.wait_until_true("the agent has a token", || {
            let read = self.execute(AGENT, &["cat", TOKEN]);
            if let Ok(read) = read
                && read.succeeded()
            {
                token = read.text();
            }
            !token.is_empty()
        });
        token
    }

    /// Deletes the pod, and returns how long it took until it was gone.
    pub fn delete(&self) -> Duration {
        let begin = Instant::now();
        self.begin_deletion();
        self.wait_until_gone();
        begin.elapsed()
    }

    /// Deletes the pod without waiting for its end.
    pub fn begin_deletion(&self) {
        self.pod.begin_deletion();
    }

    /// Asserts that no container was killed, and that the ends of all are known if the pod has ended.
    pub fn assert_not_killed(&self) {
        let life = self.pod.life();
        for name in life.containers() {
            let container = life.container(&name);
            let end = container.end();
            assert!(
                end.is_some() || container.runs.is_empty() || !life.has_ended(),
                "{name}: no end is known"
            );
            if let Some(end) = end {
                assert_ne!(end.status, 137, "{name}: {end:?}");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.pod.report());
        }
    }
}

/// Waits until a question is answered with yes.
pub fn wait_until_true(limit: Duration, what: &str, mut is_true: impl FnMut() -> bool) {
    wait::until(what, limit, || Ok(is_true())).unwrap_or_else(|error| panic!("{error}"));
}

/// The time from one moment to another; none if it is the other way round.
pub fn since(end: SystemTime, begin: SystemTime) -> Duration {
    end.duration_since(begin).unwrap_or_default()
}
