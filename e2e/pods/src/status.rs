//! The status of a pod, as `kubectl` and the job babysitter see it.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::{
    self as core, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, PodStatus,
};

use crate::container::{Container, Kind, Run};
use crate::pod::{Life, Phase};

/// A termination message has at most so many bytes, if it is taken from the log.
const LOG_BYTES: usize = 2048;
/// And so many lines.
const LOG_LINES: usize = 80;

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
    ContainerStatus {
        name: container.spec.name.clone(),
        image: container.spec.image.clone().unwrap_or_default(),
        state: Some(match container.runs.last() {
            Some(run) if run.end.is_some() && !container.is_over() => waiting("CrashLoopBackOff"),
            Some(run) => state(run),
            None => waiting("ContainerCreating"),
        }),
        last_state: match (container.runs.last(), before) {
            (Some(run), _) if run.end.is_some() && !container.is_over() => Some(state(run)),
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
    use super::*;

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
