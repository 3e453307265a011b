//! What a pod says of Vault Agent itself, beside its login and its files.

use json_patch::{Patch, PatchOperation};
use serde_json::{Map, Value};

use crate::annotations::{Commas, Key, Lines};
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::values::{
    AgentFeature, CacheToken, Checked, Count, Fraction, LogFormat, LogLevel, ObjectName, Port,
    Timeout,
};
use crate::words::nearest;

/// The port of the local proxy, where the pod does not say.
const DEFAULT_PORT: Port = Port(8200);

/// What the pod wants of Vault Agent.
#[derive(Debug)]
pub struct Options {
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    /// A ConfigMap with its whole configuration.
    pub config_map: Option<ObjectName>,
    pub extra_secret: Option<ObjectName>,
    pub patch: Option<Patch>,
    pub init_patch: Option<Patch>,
    /// The port at which it answers requests of the pod, if it does.
    pub proxy: Option<Port>,
    pub proxy_token: CacheToken,
    /// Whether what the init container has leased goes to the sidecar, if both are there.
    pub passes_on: bool,
    pub exits_on_cache_error: bool,
    /// The port at which the pod can end it.
    pub quit: Option<Port>,
    /// Whether only an init container writes the files, and what it has leased lives on.
    pub is_populated_only: bool,
    /// Whether the token is in the secrets directory.
    pub token_file: bool,
    pub exits_on_retry_failure: Option<bool>,
    pub refresh: Option<String>,
    pub max_connections: Option<Count>,
    pub lease_renewal_threshold: Option<Fraction>,
    pub idle_connections_disabled: Vec<AgentFeature>,
    pub keep_alives_disabled: Vec<AgentFeature>,
    pub telemetry: Map<String, Value>,
    pub revokes: bool,
    /// The seconds between TERM and the revocation.
    pub grace: i64,
}

impl Options {
    /// Reads them. `has_proxy` says that the pod is in mode `proxy`.
    pub fn read(subject: &Subject<'_>, has_proxy: bool) -> Result<Self, Rejection> {
        let (annotations, settings) = (&subject.annotations, subject.settings);
        let port = annotations.proxy_port()?.unwrap_or(DEFAULT_PORT);
        let has_cache = annotations.cache()?.unwrap_or(false);
        let is_populated_only = annotations.pre_populate_only()?.unwrap_or(false);
        let can_quit = annotations.agent_quit()?.unwrap_or(false);
        let features = |list: Option<Commas<AgentFeature>>| list.map_or_else(Vec::new, |it| it.0);
        let refresh = settings.secrets.refresh_interval;
        let refresh = refresh.map(|seconds| seconds.as_duration());
        let own_refresh = annotations.refresh()?.map(|it| it.as_duration());
        let grace = annotations.revoke_grace()?.map(|Count(grace)| grace.into());
        Ok(Options {
            log_level: annotations
                .agent_log_level()?
                .unwrap_or(settings.agent.log_level),
            log_format: annotations
                .agent_log_format()?
                .unwrap_or(settings.agent.log_format),
            config_map: annotations.agent_config_map()?,
            extra_secret: annotations.extra_secret()?,
            patch: patch(
                Key::AgentJsonPatch,
                annotations.agent_json_patch()?,
                subject,
            )?,
            init_patch: patch(
                Key::AgentInitJsonPatch,
                annotations.agent_init_json_patch()?,
                subject,
            )?,
            // Without a sidecar, nothing answers.
            proxy: (has_proxy || (has_cache && !is_populated_only)).then_some(port),
            proxy_token: annotations.cache_token()?.unwrap_or(CacheToken::True),
            passes_on: has_cache && !is_populated_only,
            exits_on_cache_error: annotations.cache_exit_on_error()?.unwrap_or(false),
            quit: can_quit.then_some(port),
            is_populated_only,
            token_file: annotations.token_file()?.unwrap_or(false),
            exits_on_retry_failure: annotations.exit_on_retry_failure()?,
            refresh: own_refresh.or(refresh),
            max_connections: annotations.max_connections()?.filter(|count| count.0 > 0),
            lease_renewal_threshold: annotations.lease_renewal_threshold()?,
            idle_connections_disabled: features(annotations.disable_idle_connections()?),
            keep_alives_disabled: features(annotations.disable_keep_alives()?),
            telemetry: telemetry(subject)?,
            revokes: annotations.revoke_on_shutdown()?.unwrap_or(true),
            grace: grace.unwrap_or(settings.vault.revoke_grace_seconds),
        })
    }

    /// The port at which the agent listens, if it does.
    pub fn listens_at(&self) -> Option<Port> {
        self.proxy.or(self.quit)
    }
}

/// The most operations of a JSON patch.
const MOST_OPERATIONS: usize = 64;

/// How deep its paths and its values may go: what is nested can be nested again.
const DEEPEST: usize = 16;

/// Whether a patch cannot make a container much larger or deeper than it is itself. Ten operations that copy could make it a
/// thousand times as large.
fn is_bounded(patch: &Patch) -> bool {
    let is_small = |operation: &PatchOperation| {
        let value = match operation {
            PatchOperation::Add(operation) => Some(&operation.value),
            PatchOperation::Replace(operation) => Some(&operation.value),
            PatchOperation::Test(operation) => Some(&operation.value),
            PatchOperation::Remove(_) => None,
            PatchOperation::Move(_) | PatchOperation::Copy(_) => return false,
        };
        operation.path().tokens().count() <= DEEPEST && value.is_none_or(|it| depth(it) <= DEEPEST)
    };
    patch.len() <= MOST_OPERATIONS && patch.iter().all(is_small)
}

/// How deep lists and objects are nested in a value, of which the parser has a limit.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A JSON patch; `None` for an empty text.
fn patch(
    key: Key,
    text: Option<Lines<'_>>,
    subject: &Subject<'_>,
) -> Result<Option<Patch>, Rejection> {
    let text = text.map_or("", |Lines(text)| text.trim());
    if text.is_empty() || text == "null" {
        return Ok(None);
    }
    match serde_json::from_str::<Patch>(text) {
        Ok(patch) if !is_bounded(&patch) => Err(subject.annotations.rejected(
            key,
            format!(
                "too large; expected at most {MOST_OPERATIONS} operations add, remove, replace and test, with paths and values at most {DEEPEST} deep"
            ),
        )),
        Ok(patch) => Ok(Some(patch)),
        Err(_) => Err(subject.annotations.rejected(
            key,
            "not a JSON patch; expected a list such as [{\"op\": \"add\", \"path\": \"/env/-\", \"value\": {\"name\": \"A\", \"value\": \"b\"}}]",
        )),
    }
}

/// What is in the block `telemetry`, as `SharedConfig` of Vault has it.
const TELEMETRY: [(&str, Kind); 33] = [
    ("statsite_address", Kind::Text),
    ("statsd_address", Kind::Text),
    ("disable_hostname", Kind::Boolean),
    ("enable_hostname_label", Kind::Boolean),
    ("metrics_prefix", Kind::Text),
    ("usage_gauge_period", Kind::Time),
    ("maximum_gauge_cardinality", Kind::Number),
    ("circonus_api_token", Kind::Text),
    ("circonus_api_app", Kind::Text),
    ("circonus_api_url", Kind::Text),
    ("circonus_submission_interval", Kind::Text),
    ("circonus_submission_url", Kind::Text),
    ("circonus_check_id", Kind::Text),
    ("circonus_check_force_metric_activation", Kind::Text),
    ("circonus_check_instance_id", Kind::Text),
    ("circonus_check_search_tag", Kind::Text),
    ("circonus_check_tags", Kind::Text),
    ("circonus_check_display_name", Kind::Text),
    ("circonus_broker_id", Kind::Text),
    ("circonus_broker_select_tag", Kind::Text),
    ("dogstatsd_addr", Kind::Text),
    ("dogstatsd_tags", Kind::List),
    ("prometheus_retention_time", Kind::Time),
    ("stackdriver_project_id", Kind::Text),
    ("stackdriver_location", Kind::Text),
    ("stackdriver_namespace", Kind::Text),
    ("stackdriver_debug_logs", Kind::Boolean),
    ("lease_metrics_epsilon", Kind::Time),
    ("num_lease_metrics_buckets", Kind::Number),
    ("add_lease_metrics_namespace_labels", Kind::Boolean),
    ("add_mount_point_rollback_metrics", Kind::Boolean),
    ("filter_default", Kind::Boolean),
    ("prefix_filter", Kind::List),
];

/// What a part of the block can be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Boolean,
    Number,
    /// A text or a number of seconds.
    Time,
    /// A list of texts.
    List,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Boolean => "true or false",
            Kind::Number => "a whole number, 0 or more",
            Kind::Time => Timeout::EXPECTED,
            Kind::List => "a list such as [\"a\", \"b\"]",
        }
    }

    /// The value of a text; `None` if it is of another kind.
    fn value(self, text: String) -> Option<Value> {
        let json = serde_json::from_str::<Value>(&text);
        match self {
            Kind::Text => Some(match json {
                Ok(Value::String(text)) => text.into(),
                _ => text.into(),
            }),
            Kind::Boolean => json.ok().filter(Value::is_boolean),
            Kind::Number => json.ok().filter(Value::is_u64),
            Kind::Time => Timeout::parse(&text).map(|time| time.text().into()),
            Kind::List => json.ok().filter(|list| {
                let mut items = list.as_array().into_iter().flatten();
                list.is_array() && items.all(Value::is_string)
            }),
        }
    }
}

fn telemetry(subject: &Subject<'_>) -> Result<Map<String, Value>, Rejection> {
    let annotations = &subject.annotations;
    annotations.reject_many(Key::Telemetry)?;
    let mut telemetry = Map::new();
    for given in annotations.of(Key::Telemetry) {
        let key = given.name.replace('-', "_");
        let text: String = annotations.value_of(given)?;
        let kind = TELEMETRY.iter().find(|(known, _)| *known == key);
        if kind.is_none() {
            let place = annotations.place_of(given);
            let hint = match nearest(&key, TELEMETRY.map(|(known, _)| known)) {
                Some(known) => format!("; did you mean {}?", known.replace('_', "-")),
                None => String::new(),
            };
            subject
                .warnings
                .add(format!("{place}: not a part of the block telemetry{hint}"));
        }
        let kind = kind.map_or(Kind::Text, |(_, kind)| *kind);
        let Some(value) = kind.value(text) else {
            let problem = format!("not valid; expected {}", kind.expected());
            return Err(annotations.place_of(given).rejected(problem));
        };
        telemetry.insert(key, value);
    }
    Ok(telemetry)
}
