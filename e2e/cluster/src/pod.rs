//! A pod under observation: every container's runs, ends and logs, also after the pod is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use futures::{AsyncReadExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{self as core, ContainerStateTerminated, ContainerStatus, Event};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams, LogParams, Preconditions};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::exec;
pub use crate::exec::Executed;

/// A pod, which is deleted when this is dropped.
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it was submitted, by this machine's clock.
    pub submitted: Instant,
    uid: Option<String>,
    cluster: Arc<Cluster>,
    shared: Arc<Shared>,
    watch: JoinHandle<()>,
}

struct Shared {
    life: Mutex<Life>,
    changed: Condvar,
}

/// What is known of a pod.
pub struct Life {
    /// As it was last seen.
    pub pod: core::Pod,
    /// Whether the pod is gone.
    pub is_gone: bool,
    runs: BTreeMap<String, Vec<Run>>,
}

/// One run of a container.
pub struct Run {
    id: String,
    /// When it began.
    pub began: Option<SystemTime>,
    /// How it ended, once it has.
    pub end: Option<End>,
    log: Log,
}

/// What a run has written.
#[derive(Default)]
struct Log {
    text: Vec<u8>,
    state: LogState,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum LogState {
    /// There may be more.
    #[default]
    Reading,
    /// That is all.
    Complete,
    /// It was gone before it was read.
    Lost,
}

/// How long the end of a log may be on its way.
const LOG_LIMIT: Duration = Duration::from_secs(20);

/// How a container has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit status; 128 and a signal's number if that ended it.
    pub status: i32,
    /// The termination message.
    pub message: String,
    /// The kubelet's word, such as `Completed`, `Error` or `OOMKilled`.
    pub reason: String,
    /// When it has ended, in whole seconds.
    pub at: SystemTime,
}

/// A container, as far as it is known.
#[derive(Clone, Copy)]
pub struct Container<'l> {
    status: Option<&'l ContainerStatus>,
    /// Its runs, oldest first.
    pub runs: &'l [Run],
    pod: &'l core::Pod,
    name: &'l str,
}

impl Container<'_> {
    /// How its last run has ended, unless it runs.
    pub fn end(&self) -> Option<&End> {
        self.runs.last().and_then(|run| run.end.as_ref())
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.runs.last().is_some_and(|run| run.end.is_none())
    }

    /// Whether it runs, has passed its startup probe, and its postStart hook has ended.
    pub fn has_started(&self) -> bool {
        let started = self.status.and_then(|status| status.started);
        started.unwrap_or(false) && self.is_running()
    }

    /// How often it was started again.
    pub fn restarts(&self) -> usize {
        let restarts = self.status.map_or(0, |status| status.restart_count);
        usize::try_from(restarts).unwrap_or(0)
    }

    /// Whether it has ended and is not started again.
    pub fn is_over(&self) -> bool {
        let Some(end) = self.end() else {
            return false;
        };
        let spec = self.pod.spec.as_ref();
        let of_pod = spec.and_then(|spec| spec.restart_policy.as_deref());
        let is_init = spec
            .and_then(|spec| spec.init_containers.as_ref())
            .into_iter()
            .flatten()
            .find(|container| container.name == self.name);
        let is_deleted = self.pod.metadata.deletion_timestamp.is_some();
        let phase = self
            .pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
        is_deleted
            || has_ended
            || match is_init {
                Some(init) if init.restart_policy.is_none() => {
                    end.status == 0 || of_pod == Some("Never")
                }
                Some(_) => false,
                None => match of_pod {
                    Some("Never") => true,
                    Some("OnFailure") => end.status == 0,
                    _ => false,
                },
            }
    }
}

impl Life {
    /// A container of the pod's.
    ///
    /// # Panics
    ///
    /// If the pod has no container of that name.
    pub fn container<'l>(&'l self, name: &'l str) -> Container<'l> {
        assert!(
            self.containers().iter().any(|found| found == name),
            "there is no container {name}"
        );
        let statuses = self.pod.status.as_ref();
        let status = statuses.and_then(|status| {
            let init = status.init_container_statuses.iter().flatten();
            let mut all = init.chain(status.container_statuses.iter().flatten());
            all.find(|status| status.name == name)
        });
        Container {
            status,
            runs: self.runs.get(name).map(Vec::as_slice).unwrap_or_default(),
            pod: &self.pod,
            name,
        }
    }

    /// The names of the pod's containers, init containers first.
    pub fn containers(&self) -> Vec<String> {
        let Some(spec) = &self.pod.spec else {
            return Vec::new();
        };
        let init = spec.init_containers.iter().flatten();
        init.chain(&spec.containers)
            .map(|container| container.name.clone())
            .collect()
    }

    /// The pod's phase, such as `Running`.
    pub fn phase(&self) -> &str {
        let status = self.pod.status.as_ref();
        status
            .and_then(|status| status.phase.as_deref())
            .unwrap_or_default()
    }

    /// Whether the pod is ready.
    pub fn is_ready(&self) -> bool {
        is_ready(&self.pod)
    }

    /// Whether no container runs any more, and none will.
    pub fn has_ended(&self) -> bool {
        self.is_gone || matches!(self.phase(), "Succeeded" | "Failed")
    }

    /// Takes what a status says, and returns the runs that were not known, by container and id.
    fn observe(&mut self, pod: core::Pod) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let status = pod.status.clone().unwrap_or_default();
        let init = status.init_container_statuses.into_iter().flatten();
        for status in init.chain(status.container_statuses.into_iter().flatten()) {
            let runs = self.runs.entry(status.name.clone()).or_default();
            let mut note = |id: &str, began: Option<Time>, end: Option<End>| {
                if id.is_empty() {
                    return;
                }
                if let Some(run) = runs.iter_mut().find(|run| run.id == id) {
                    run.end = run.end.take().or(end);
                    return;
                }
                let began = began.map(|began| SystemTime::from(began.0));
                found.push((status.name.clone(), id.to_owned()));
                let (id, log) = (id.to_owned(), Log::default());
                runs.push(Run {
                    id,
                    began,
                    end,
                    log,
                });
            };
            let last = status.last_state.and_then(|state| state.terminated);
            let state = status.state.unwrap_or_default();
            for terminated in [last, state.terminated].into_iter().flatten() {
                let end = end(&terminated);
                let id = terminated.container_id.unwrap_or_default();
                note(&id, terminated.started_at, Some(end));
            }
            if let Some(running) = state.running {
                let id = status.container_id.unwrap_or_default();
                note(&id, running.started_at, None);
            }
        }
        self.pod = pod;
        found
    }
}

fn end(terminated: &ContainerStateTerminated) -> End {
    let at = terminated.finished_at.clone();
    End {
        status: terminated.exit_code,
        message: terminated.message.clone().unwrap_or_default(),
        reason: terminated.reason.clone().unwrap_or_default(),
        at: at.map_or(SystemTime::UNIX_EPOCH, |at| SystemTime::from(at.0)),
    }
}

/// Whether a pod is ready.
pub fn is_ready(pod: &core::Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

impl Pod {
    /// Observes a pod from now on.
    pub fn observe(cluster: &Arc<Cluster>, pod: core::Pod) -> Self {
        let namespace = pod.namespace().unwrap_or_default();
        let name = pod.name_any();
        let uid = pod.uid();
        let shared = Arc::new(Shared {
            life: Mutex::new(Life {
                pod: pod.clone(),
                is_gone: false,
                runs: BTreeMap::new(),
            }),
            changed: Condvar::new(),
        });
        let api: Api<core::Pod> = Api::namespaced(cluster.client.clone(), &namespace);
        let watch = cluster.spawn(watch(api, pod, Arc::clone(&shared)));
        Self {
            namespace,
            name,
            submitted: Instant::now(),
            uid,
            cluster: Arc::clone(cluster),
            shared,
            watch,
        }
    }

    /// What is known of it now.
    pub fn life(&self) -> MutexGuard<'_, Life> {
        self.shared.life.lock()
    }

    /// Waits until something is true of the pod; false if that is not so within the time.
    pub fn wait(&self, limit: Duration, mut is_true: impl FnMut(&Life) -> bool) -> bool {
        let mut life = self.life();
        let changed = &self.shared.changed;
        let waited = changed.wait_while_for(&mut life, |life| !is_true(life), limit);
        !waited.timed_out()
    }

    /// Runs a command in a container, as `kubectl exec` does.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub fn execute(&self, container: &str, command: &[&str]) -> Result<Executed> {
        let api = self.api();
        self.cluster
            .wait(exec::execute(&api, &self.name, Some(container), command))
    }

    /// What a container has written, in all its runs. The log of a run that has ended is read to its end before.
    ///
    /// # Panics
    ///
    /// If the log of a run could not be read.
    pub fn log(&self, name: &str) -> String {
        self.wait(LOG_LIMIT, |life| {
            let mut runs = life.container(name).runs.iter();
            runs.all(|run| run.end.is_none() || run.log.state != LogState::Reading)
        });
        let life = self.life();
        let runs = life.container(name).runs;
        let are_there = runs.iter().all(|run| run.log.state != LogState::Lost);
        assert!(are_there, "the log of {name} could not be read");
        let log: Vec<u8> = runs.iter().flat_map(|run| run.log.text.clone()).collect();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// What has happened to the pod, as `REASON: MESSAGE`, in the order of the events' times.
    ///
    /// # Panics
    ///
    /// If the API server does not answer.
    pub fn events(&self) -> Vec<String> {
        self.try_events().expect("events can be listed")
    }

    fn try_events(&self) -> kube::Result<Vec<String>> {
        let api: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let of_pod = format!("involvedObject.name={}", self.name);
        let of_pod = ListParams::default().fields(&of_pod);
        let mut events = self.cluster.wait(api.list(&of_pod))?.items;
        events.sort_by_key(|event| event.last_timestamp.clone().map(|time| time.0));
        let text = |event: Event| {
            let reason = event.reason.unwrap_or_default();
            format!("{reason}: {}", event.message.unwrap_or_default())
        };
        Ok(events.into_iter().map(text).collect())
    }

    /// Deletes the pod without waiting for its end.
    ///
    /// # Panics
    ///
    /// If the API server rejects that.
    pub fn begin_deletion(&self) {
        let api = self.api();
        let deleted = self
            .cluster
            .wait(api.delete(&self.name, &DeleteParams::default()));
        deleted.expect("the pod can be deleted");
    }

    fn api(&self) -> Api<core::Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// All that helps to see why a scenario has failed.
    pub fn report(&self) -> String {
        let mut report = format!("pod {}/{}\n", self.namespace, self.name);
        match self.try_events() {
            Ok(events) => {
                for event in events {
                    report += &format!("  event {event}\n");
                }
            }
            Err(error) => report += &format!("  its events cannot be read: {error}\n"),
        }
        let life = self.life();
        report += &format!("  phase {}, gone: {}\n", life.phase(), life.is_gone);
        for name in life.containers() {
            for run in life.container(&name).runs {
                report += &format!("  {name}: began {:?}, end {:?}\n", run.began, run.end);
                let log = String::from_utf8_lossy(&run.log.text);
                let lines: Vec<&str> = log.lines().collect();
                for line in &lines[lines.len().saturating_sub(40)..] {
                    report += &format!("    {line}\n");
                }
            }
        }
        report
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.watch.abort();
        // Nobody waits for its end: the namespace ends with it.
        let mut soon = DeleteParams::default().grace_period(1);
        // Another pod may have its name by now.
        soon.preconditions = Some(Preconditions {
            uid: self.uid.clone(),
            ..Preconditions::default()
        });
        let api = self.api();
        let _ = self.cluster.wait(api.delete(&self.name, &soon));
    }
}

/// Follows a pod, and the logs of its containers, until it is gone.
async fn watch(api: Api<core::Pod>, pod: core::Pod, shared: Arc<Shared>) {
    let this = format!("metadata.name={}", pod.name_any());
    let uid = pod.uid();
    let mut events = watcher(api.clone(), watcher::Config::default().fields(&this)).boxed();
    let mut was_listed = false;
    while let Some(event) = events.next().await {
        let Ok(event) = event else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let mut is_gone = false;
        let seen = match event {
            watcher::Event::Apply(seen) | watcher::Event::InitApply(seen) => Some(seen),
            watcher::Event::Delete(seen) => {
                is_gone = seen.uid() == uid;
                Some(seen)
            }
            watcher::Event::Init => {
                was_listed = false;
                None
            }
            watcher::Event::InitDone => {
                is_gone = !was_listed;
                None
            }
        };
        let mut begun = Vec::new();
        {
            let mut life = shared.life.lock();
            // Another pod may have its name.
            if let Some(seen) = seen
                && seen.uid() == uid
            {
                was_listed = true;
                begun = life.observe(seen);
            }
            life.is_gone = is_gone;
        }
        shared.changed.notify_all();
        for (container, id) in begun {
            let shared = Arc::clone(&shared);
            tokio::spawn(follow(api.clone(), pod.name_any(), container, id, shared));
        }
        if is_gone {
            return;
        }
    }
}

/// How often the log of a run is begun to be read.
const LOG_TRIES: u32 = 5;

/// Reads the log of one run of a container to its end.
async fn follow(
    api: Api<core::Pod>,
    pod: String,
    container: String,
    id: String,
    shared: Arc<Shared>,
) {
    let change = |change: &dyn Fn(&mut Log)| {
        let mut life = shared.life.lock();
        let runs = life.runs.get_mut(&container).into_iter().flatten();
        runs.filter(|run| run.id == id)
            .for_each(|run| change(&mut run.log));
        drop(life);
        shared.changed.notify_all();
    };
    for _ in 0..LOG_TRIES {
        // Without `previous`, the log is that of the last run.
        let is_last = || {
            let life = shared.life.lock();
            let runs = life.runs.get(&container);
            runs.and_then(|runs| runs.last())
                .is_some_and(|run| run.id == id)
        };
        let was_last = is_last();
        let params = LogParams {
            container: Some(container.clone()),
            follow: was_last,
            previous: !was_last,
            ..LogParams::default()
        };
        if let Ok(mut log) = api.log_stream(&pod, &params).await
            && was_last == is_last()
        {
            change(&|log| log.text.clear());
            let mut buffer = vec![0; 16 * 1024];
            loop {
                match log.read(&mut buffer).await {
                    Ok(0) => return change(&|log| log.state = LogState::Complete),
                    Ok(read) => change(&|log| log.text.extend(&buffer[..read])),
                    Err(_) => break,
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    change(&|log| log.state = LogState::Lost);
}
