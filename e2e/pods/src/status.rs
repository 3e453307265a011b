//! The status of a pod, as `kubectl` and the job babysitter see it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    self as core, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, PodStatus,
};

use crate::container::{Container, End, Kind, Run};
use crate::pod::{Life, Phase};

/// A termination message has at most so many bytes, if it is taken from the log.
const LOG_BYTES: usize = 2048;
/// And so many lines.
const LOG_LINES: usize = 80;

/// How long the kubelet leaves a pod alone after it could not start a container of it again.
const SYNCHRONIZATION: Duration = Duration::from_secs(10);

/// The status of a pod by what is known of its life.
pub fn of(life: &Life) -> PodStatus {
    let of_kind = |is_wanted: fn(Kind) -> bool| {
        let containers = life.containers.iter();
        let wanted = containers.filter(|container| is_wanted(container.kind));
        Some(wanted.map(container_status).collect::<Vec<_>>())
    };
    PodStatus {
        phase: Some(
            match life.phase {
                Phase::Pending => "Pending",
                Phase::Running => "Running",
                Phase::Succeeded => "Succeeded",
                Phase::Failed => "Failed",
            }
            .to_owned(),
        ),
        init_container_statuses: of_kind(|kind| kind != Kind::Main),
        container_statuses: of_kind(|kind| kind == Kind::Main),
        ..PodStatus::default()
    }
}

fn container_status(container: &Container) -> ContainerStatus {
    let before = container.runs.iter().rev().nth(1);
    let is_waiting =
        |run: &Run| !container.is_over() && run.end.as_ref().is_some_and(is_known_to_wait);
    ContainerStatus {
        name: container.spec.name.clone(),
        image: container.spec.image.clone().unwrap_or_default(),
        state: Some(match container.runs.last() {
            Some(run) if is_waiting(run) => waiting("CrashLoopBackOff"),
            Some(run) => state(run),
            None => waiting("ContainerCreating"),
        }),
        last_state: match (container.runs.last(), before) {
            (Some(run), _) if is_waiting(run) => Some(state(run)),
            (_, Some(before)) => Some(state(before)),
            _ => None,
        },
        restart_count: container
            .runs
            .len()
            .saturating_sub(1)
            .try_into()
            .unwrap_or(i32::MAX),
        ready: container.has_started(),
        started: Some(container.has_started()),
        ..ContainerStatus::default()
    }
}

/// Whether the status tells already that a container that has ended is to be started again. Until the
/// kubelet sees to the pod for the next time, it shows the end as if it were for good.
fn is_known_to_wait(end: &End) -> bool {
    end.at.elapsed() >= SYNCHRONIZATION
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message: None,
        }),
        ..ContainerState::default()
    }
}

fn state(run: &Run) -> ContainerState {
    match &run.end {
        None => ContainerState {
            running: Some(ContainerStateRunning::default()),
            ..ContainerState::default()
        },
        Some(end) => ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: end.status,
                reason: Some(
                    if end.status == 0 {
                        "Completed"
                    } else {
                        "Error"
                    }
                    .to_owned(),
                ),
                message: Some(end.message.clone()).filter(|message| !message.is_empty()),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        },
    }
}

/// The message of a run that has ended: what the container has written to its termination log, or the end
/// of its log where it has failed without, and asks for that.
pub fn termination_message(
    container: &core::Container,
    status: i32,
    directory: &Path,
    log: &Path,
) -> String {
    let written = fs::read(directory.join("termination-log")).unwrap_or_default();
    let falls_back =
        container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if !written.is_empty() || status == 0 || !falls_back {
        return String::from_utf8_lossy(&written).into_owned();
    }
    let log = fs::read(log).unwrap_or_default();
    let end = &log[log.len().saturating_sub(LOG_BYTES)..];
    let text = String::from_utf8_lossy(end);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::container::Restart;

    fn message(policy: &str, status: i32, written: &str, log: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("termination-log"), written).unwrap();
        let log_file = directory.path().join("log");
        fs::write(&log_file, log).unwrap();
        let container = core::Container {
            termination_message_policy: Some(policy.to_owned()),
            ..core::Container::default()
        };
        termination_message(&container, status, directory.path(), &log_file)
    }

    fn of_ended(restart: Restart, ago: Duration) -> ContainerStatus {
        let at = Instant::now().checked_sub(ago).unwrap();
        let end = End {
            at,
            status: 1,
            message: String::new(),
        };
        container_status(&Container {
            spec: core::Container::default(),
            kind: Kind::Main,
            restart,
            runs: vec![Run {
                id: String::new(),
                log: "log".into(),
                began: at,
                started: true,
                end: Some(end),
            }],
        })
    }

    #[test]
    fn the_end_of_a_container_that_is_to_be_started_again_is_shown_for_a_while() {
        let exit_code = |state: Option<ContainerState>| Some(state?.terminated?.exit_code);
        let just_now = of_ended(Restart::OnFailure, Duration::ZERO);
        assert_eq!(exit_code(just_now.state), Some(1));

        let later = of_ended(Restart::OnFailure, SYNCHRONIZATION);
        assert!(later.state.unwrap().waiting.is_some());
        assert_eq!(exit_code(later.last_state), Some(1));

        let for_good = of_ended(Restart::Never, SYNCHRONIZATION);
        assert_eq!(exit_code(for_good.state), Some(1));
    }

    #[test]
    fn what_is_written_is_the_message() {
        assert_eq!(message("FallbackToLogsOnError", 1, "why", "log"), "why");
    }

    #[test]
    fn the_log_is_the_message_of_a_failure_that_asks_for_it() {
        assert_eq!(message("FallbackToLogsOnError", 1, "", "a\nb\n"), "a\nb");
        assert_eq!(message("FallbackToLogsOnError", 0, "", "a\nb\n"), "");
        assert_eq!(message("File", 1, "", "a\nb\n"), "");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_taken() {
        let log = "line\n".repeat(100);
        let text = message("FallbackToLogsOnError", 1, "", &log);
        assert_eq!(text.lines().count(), LOG_LINES);
        assert_eq!(
            message("FallbackToLogsOnError", 1, "", &"x".repeat(9000)).len(),
            LOG_BYTES
        );
    }
}
