//! The life of a pod, in the order in which a kubelet has it happen.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{self as core};
use rustix::mount::{UnmountFlags, unmount};

use crate::container::{Container, End, Kind, Run, Surroundings, probe_command};
use crate::image::{Images, SHELL};
use crate::runtime::{Bundle, Executed, POLL, Runtime, after};
use crate::status;
use crate::volume::{self, Objects};

/// What a pod needs of the node it is on.
pub struct Node {
    pub runtime: Runtime,
    pub images: Images,
    pub objects: Arc<dyn Objects + Send + Sync>,
}

/// A pod on its node, from its admission to its end.
pub struct Pod {
    /// As admitted.
    pub object: core::Pod,
    node: Arc<Node>,
    directory: PathBuf,
    api_server_port: u16,
    life: Mutex<Life>,
    changed: Condvar,
    is_deleted: AtomicBool,
}

/// What changes in the life of a pod.
pub struct Life {
    pub containers: Vec<Container>,
    /// What the kubelet tells in events.
    pub events: Vec<(Instant, String)>,
    pub phase: Phase,
    pub began: Instant,
    /// When nothing of it ran any more.
    pub ended: Option<Instant>,
    process_namespace_of: Option<u32>,
}

/// The phase of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// How long the kubelet waits before it starts a container again: at first only until it notices the end,
/// then this, then twice as long each time, and never longer than five minutes.
const BACK_OFF: Duration = Duration::from_secs(10);

/// How often the kubelet asks the runtime which containers have ended.
const RELIST: Duration = Duration::from_secs(1);

/// What a container that has its turn to stop late gets at least.
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Pod {
    /// Takes an admitted pod, with its files in `directory`, and begins its life. The API server is at
    /// `api_server_port` of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If it asks for what this runner does not do.
    pub fn start(
        object: core::Pod,
        node: Arc<Node>,
        directory: PathBuf,
        api_server_port: u16,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let spec = object.spec.as_ref().context("a pod has a spec")?;
        let containers = Container::all_of(spec)?;
        let pod = Arc::new(Self {
            node,
            directory,
            api_server_port,
            life: Mutex::new(Life {
                containers,
                events: Vec::new(),
                phase: Phase::Pending,
                began: Instant::now(),
                ended: None,
                process_namespace_of: None,
            }),
            changed: Condvar::new(),
            is_deleted: AtomicBool::new(false),
            object,
        });
        let worker = thread::spawn({
            let pod = Arc::clone(&pod);
            move || pod.live()
        });
        Ok((pod, worker))
    }

    /// What is known of it now.
    pub fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_true`, at the longest `limit`. Returns whether it became true.
    pub fn wait(&self, limit: Duration, mut is_true: impl FnMut(&Life) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut life = self.life();
        loop {
            if is_true(&life) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            life = self
                .changed
                .wait_timeout(life, left.min(POLL))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Tells its kubelet that it has been deleted.
    pub fn delete(&self) {
        self.is_deleted.store(true, Ordering::SeqCst);
    }

    /// Its status as the API server shows it.
    pub fn object_with_status(&self) -> core::Pod {
        let mut object = self.object.clone();
        object.status = Some(status::of(&self.life()));
        object
    }

    /// Runs a command in a container that runs, as `kubectl exec` does.
    ///
    /// # Errors
    ///
    /// If the container does not run.
    pub fn execute(&self, container: &str, command: &[&str], limit: Duration) -> Result<Executed> {
        let id = self
            .life()
            .container(container)
            .filter(|container| container.is_running())
            .and_then(|container| container.runs.last())
            .map(|run| run.id.clone());
        let id = id.with_context(|| format!("{container} does not run"))?;
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        self.node.runtime.execute(&id, &command, after(limit))
    }

    /// The directory of a volume.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.directory.join("volumes").join(name)
    }

    fn volumes(&self) -> impl Iterator<Item = &core::Volume> {
        let spec = self.object.spec.as_ref();
        spec.and_then(|spec| spec.volumes.as_ref())
            .into_iter()
            .flatten()
    }

    fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut Life)) {
        change(&mut self.life());
        self.changed.notify_all();
    }

    fn tell(&self, event: String) {
        self.change(|life| life.events.push((Instant::now(), event)));
    }

    fn live(self: &Arc<Self>) {
        let mut pause_container = None;
        if self.make_volumes() {
            if self
                .object
                .spec
                .as_ref()
                .and_then(|spec| spec.share_process_namespace)
                == Some(true)
            {
                match self.share_process_namespace() {
                    Ok(pause) => pause_container = Some(pause),
                    Err(error) => self.tell(format!("no process namespace: {error:#}")),
                }
            }
            while !self.is_deleted() && !self.life().is_finished() {
                self.synchronize();
                thread::sleep(POLL);
            }
        }
        self.terminate();
        if let Some((id, mut process)) = pause_container {
            self.node.runtime.signal(&id, "KILL");
            let _ = process.wait();
            self.node.runtime.clean_up(&self.directory.join("pause"));
        }
        self.change(|life| {
            let failed = |container: &Container| {
                container.kind != Kind::Sidecar && container.end().is_none_or(|end| end.status != 0)
            };
            life.phase = match life.containers.iter().any(failed) {
                true => Phase::Failed,
                false => Phase::Succeeded,
            };
            life.ended = Some(Instant::now());
        });
    }

    /// Makes the volumes, again and again while an object is missing. Returns false if the pod is deleted
    /// before they are there.
    fn make_volumes(&self) -> bool {
        for volume in self.volumes() {
            let directory = self.volume(&volume.name);
            let objects = &*self.node.objects;
            while let Err(error) = volume::make(volume, &self.object, &directory, objects) {
                if self.is_deleted() {
                    return false;
                }
                self.tell(format!("FailedMount: {}: {error:#}", volume.name));
                thread::sleep(Duration::from_millis(500));
            }
        }
        true
    }

    /// Starts the container that does nothing but have the process namespace that the others share.
    fn share_process_namespace(&self) -> Result<(String, std::process::Child)> {
        let directory = self.directory.join("pause");
        fs::create_dir_all(&directory)?;
        let id = format!("{}-pause", self.id());
        let bundle = Bundle {
            image: self.node.images.root(SHELL)?,
            hostname: "pause",
            // A shell reaps the processes that others have left behind.
            arguments: ["/bin/sh", "-c", "while :; do sleep 60; done"]
                .map(str::to_owned)
                .into(),
            environment: Vec::new(),
            working_directory: "/".to_owned(),
            user: 65_535,
            group: 65_535,
            additional_groups: Vec::new(),
            capabilities: Vec::new(),
            no_new_privileges: true,
            read_only_root: true,
            mounts: Vec::new(),
            memory_limit: None,
            cpu_limit: None,
            process_namespace_of: None,
        };
        let log = directory.join("log");
        let runtime = &self.node.runtime;
        let process = runtime.start(&id, &bundle, &directory, &log)?;
        let pid = runtime.process_of(&id).context("it has a process")?;
        self.change(|life| life.process_namespace_of = Some(pid));
        Ok((id, process))
    }

    /// Starts what is to be started now, one container after the other. That the pod is deleted meanwhile
    /// keeps init containers from starting, but not the main ones: these are started in one go, and the
    /// kubelet ends a pod only behind that.
    fn synchronize(self: &Arc<Self>) {
        let (is_initialized, containers): (bool, Vec<(Kind, bool)>) = {
            let life = self.life();
            let containers = life.containers.iter().enumerate();
            let containers =
                containers.map(|(index, container)| (container.kind, life.is_to_start(index)));
            (life.is_initialized(), containers.collect())
        };
        for (index, (kind, is_to_start)) in containers.into_iter().enumerate() {
            if kind != Kind::Main && self.is_deleted() {
                return;
            }
            if is_initialized && kind == Kind::Init {
                continue;
            }
            if is_to_start {
                self.start_container(index);
            }
            let life = self.life();
            let container = &life.containers[index];
            let holds_the_others_back = match kind {
                Kind::Init => container.end().is_none_or(|end| end.status != 0),
                Kind::Sidecar => !is_initialized && !container.has_started(),
                Kind::Main => false,
            };
            if holds_the_others_back {
                return;
            }
        }
    }

    /// Starts a container and returns when its postStart hook has ended.
    fn start_container(self: &Arc<Self>, index: usize) {
        let (container, number) = {
            let life = self.life();
            let container = &life.containers[index];
            (container.spec.clone(), container.runs.len())
        };
        let id = format!("{}-{}-{number}", self.id(), container.name);
        let directory = self.directory.join(format!("{}-{number}", container.name));
        let log = directory.join("log");
        self.change(|life| {
            if life.containers[index].kind == Kind::Main {
                life.phase = Phase::Running;
            }
            life.containers[index].runs.push(Run {
                id: id.clone(),
                log: log.clone(),
                began: Instant::now(),
                started: false,
                end: None,
            });
        });
        if let Err(error) = self.run(index, number, &container, &id, &directory, &log) {
            // As CRI runtimes tell that a container could not be started.
            self.end_run(index, number, 128, format!("{error:#}"));
            return;
        }

        if let Err(reason) = self.run_post_start_hook(index, number, &container, &id) {
            self.tell(format!("FailedPostStartHook: {}: {reason}", container.name));
            self.kill(index, number);
        } else if container.startup_probe.is_some() {
            // Only now, because the kubelet probes what it knows to run, and meanwhile it knows nothing new.
            let pod = Arc::clone(self);
            thread::spawn(move || pod.probe(index, number, &container, &id));
        }
    }

    /// Runs a container's postStart hook, which nothing but the container's end cuts off: the kubelet sees
    /// to the deletion of a pod only when it has started what it is about to start.
    fn run_post_start_hook(
        &self,
        index: usize,
        number: usize,
        container: &core::Container,
        id: &str,
    ) -> Result<(), String> {
        let lifecycle = container.lifecycle.as_ref();
        let hook = lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref());
        let Some(hook) = hook.and_then(|hook| hook.exec.as_ref()) else {
            return Ok(());
        };
        let command = hook.command.clone().unwrap_or_default();
        let is_over = || self.run_has_ended(index, number);
        match self.node.runtime.execute(id, &command, is_over) {
            Ok(executed) if executed.succeeded() => Ok(()),
            Ok(executed) => Err(String::from_utf8_lossy(&executed.output).into_owned()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    fn run(
        self: &Arc<Self>,
        index: usize,
        number: usize,
        container: &core::Container,
        id: &str,
        directory: &Path,
        log: &Path,
    ) -> Result<()> {
        fs::create_dir_all(directory)?;
        let termination_log = directory.join("termination-log");
        File::create(&termination_log)?;
        fs::set_permissions(&termination_log, fs::Permissions::from_mode(0o666))?;
        let surroundings = Surroundings {
            pod: &self.object,
            images: &self.node.images,
            objects: &*self.node.objects,
            volumes: &self.directory.join("volumes"),
            termination_log: &termination_log,
            api_server_port: self.api_server_port,
            process_namespace_of: self.life().process_namespace_of,
        };
        let bundle = surroundings.bundle(container)?;
        let mut process = self.node.runtime.start(id, &bundle, directory, log)?;

        let has_probe = container.startup_probe.is_some();
        self.change(|life| life.containers[index].runs[number].started = !has_probe);
        let (pod, container) = (Arc::clone(self), container.clone());
        let (directory, log) = (directory.to_owned(), log.to_owned());
        thread::spawn(move || {
            let status = process.wait().ok().and_then(|status| status.code());
            let status = status.unwrap_or(255);
            pod.node.runtime.clean_up(&directory);
            let message = status::termination_message(&container, status, &directory, &log);
            pod.end_run(index, number, status, message);
        });
        Ok(())
    }

    /// Runs a container's startup probe until it succeeds, or ends the container when it never does.
    fn probe(&self, index: usize, number: usize, container: &core::Container, id: &str) {
        let Some(probe) = &container.startup_probe else {
            return;
        };
        let command = probe.exec.as_ref().and_then(|exec| exec.command.clone());
        let command = probe_command(container, &command.unwrap_or_default());
        let seconds = |seconds: Option<i32>, default: u64| {
            Duration::from_secs(
                seconds.map_or(default, |seconds| u64::from(seconds.unsigned_abs())),
            )
        };
        thread::sleep(seconds(probe.initial_delay_seconds, 0));
        let mut failures = 0;
        while !self.is_deleted() && !self.run_has_ended(index, number) {
            let began = Instant::now();
            let limit = after(seconds(probe.timeout_seconds, 1));
            let executed = self.node.runtime.execute(id, &command, limit);
            if executed.is_ok_and(|executed| executed.succeeded()) {
                self.change(|life| life.containers[index].runs[number].started = true);
                return;
            }
            failures += 1;
            if failures >= probe.failure_threshold.unwrap_or(3) {
                self.tell(format!("Unhealthy: {}: startup probe", container.name));
                self.kill(index, number);
                return;
            }
            thread::sleep(seconds(probe.period_seconds, 10).saturating_sub(began.elapsed()));
        }
    }

    /// Ends what still runs, as the kubelet ends a pod that is deleted or whose work is done: preStop hooks
    /// at once, native sidecars behind everything that came after them.
    fn terminate(&self) {
        let running: Vec<(usize, usize)> = {
            let life = self.life();
            let running = life.containers.iter().enumerate();
            running
                .filter(|(_, container)| container.is_running())
                .map(|(index, container)| (index, container.runs.len() - 1))
                .collect()
        };
        let deadline = Instant::now() + self.grace();
        thread::scope(|scope| {
            for &(index, number) in &running {
                scope.spawn(move || {
                    self.run_pre_stop_hook(index, number, deadline);
                    self.wait_for_turn(index, deadline);
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.stop(index, number, left.max(LEAST_GRACE));
                });
            }
        });
        for volume in self.volumes() {
            let _ = unmount(self.volume(&volume.name), UnmountFlags::DETACH);
        }
    }

    /// Ends one container of a pod that goes on.
    fn kill(&self, index: usize, number: usize) {
        let deadline = Instant::now() + self.grace();
        self.run_pre_stop_hook(index, number, deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        self.stop(index, number, left.max(LEAST_GRACE));
    }

    fn run_pre_stop_hook(&self, index: usize, number: usize, deadline: Instant) {
        let (hook, id) = {
            let life = self.life();
            let container = &life.containers[index];
            let lifecycle = container.spec.lifecycle.as_ref();
            let hook = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.clone());
            (hook, container.runs[number].id.clone())
        };
        let Some(command) = hook.and_then(|hook| hook.exec?.command) else {
            return;
        };
        let is_over = || Instant::now() >= deadline || self.run_has_ended(index, number);
        if let Err(error) = self.node.runtime.execute(&id, &command, is_over) {
            self.tell(format!("FailedPreStopHook: {error:#}"));
        }
    }

    /// Waits until all that has to end before a native sidecar has ended.
    fn wait_for_turn(&self, index: usize, deadline: Instant) {
        self.wait(deadline.saturating_duration_since(Instant::now()), |life| {
            life.containers[index].kind != Kind::Sidecar
                || !life.containers[index + 1..]
                    .iter()
                    .any(|later| later.kind != Kind::Init && later.is_running())
        });
    }

    /// Tells a run to end, and ends it when it has not within its grace.
    fn stop(&self, index: usize, number: usize, grace: Duration) {
        let id = self.life().containers[index].runs[number].id.clone();
        let has_ended = |life: &Life| life.containers[index].runs[number].end.is_some();
        if has_ended(&self.life()) {
            return;
        }
        self.node.runtime.signal(&id, "TERM");
        while !self.wait(grace, has_ended) {
            self.tell(format!("Killing: {id}"));
            self.node.runtime.signal(&id, "KILL");
            if self.wait(LEAST_GRACE, has_ended) {
                return;
            }
        }
    }

    fn end_run(&self, index: usize, number: usize, status: i32, message: String) {
        self.change(|life| {
            life.containers[index].runs[number].end = Some(End {
                at: Instant::now(),
                status,
                message,
            });
        });
    }

    fn run_has_ended(&self, index: usize, number: usize) -> bool {
        self.life().containers[index].runs[number].end.is_some()
    }

    fn grace(&self) -> Duration {
        let spec = self.object.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.termination_grace_period_seconds);
        Duration::from_secs(seconds.unwrap_or(30).max(0).unsigned_abs())
    }

    fn id(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Life {
    /// A container by its name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers
            .iter()
            .find(|container| container.spec.name == name)
    }

    /// Whether all init containers have been seen to, because something behind them has begun.
    fn is_initialized(&self) -> bool {
        let mut main = self.containers.iter();
        main.any(|container| container.kind == Kind::Main && !container.runs.is_empty())
    }

    /// Whether nothing is left to be done for it.
    fn is_finished(&self) -> bool {
        let is_over = |kind: Kind| {
            move |container: &&Container| container.kind == kind && container.is_over()
        };
        let mut init = self.containers.iter().filter(is_over(Kind::Init));
        let init_has_failed = init.any(|init| init.end().is_some_and(|end| end.status != 0));
        let main = self.containers.iter().filter(|it| it.kind == Kind::Main);
        init_has_failed
            || main.count() == self.containers.iter().filter(is_over(Kind::Main)).count()
    }

    /// Whether a container is to be started now: it has not run yet, or its back-off is over.
    fn is_to_start(&self, index: usize) -> bool {
        let container = &self.containers[index];
        let Some(last) = container.runs.last() else {
            return true;
        };
        let Some(end) = &last.end else {
            return false;
        };
        if !container.restart.applies_to(end.status) {
            return false;
        }
        end.at.elapsed() >= back_off(container.runs.len() - 1)
    }
}

/// How long the kubelet waits with the next start of a container that it has started again so often.
fn back_off(restarts: usize) -> Duration {
    match restarts {
        0 => RELIST,
        restarts => (BACK_OFF * (1 << (restarts - 1).min(5))).min(Duration::from_secs(300)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_restart_waits_and_each_further_one_twice_as_long() {
        let seconds = [0, 1, 2, 3, 4, 5, 6, 70].map(|restarts| back_off(restarts).as_secs());
        assert_eq!(seconds, [1, 10, 20, 40, 80, 160, 300, 300]);
    }
}
