//! How Vault Agent logs in: what the methods have in common, with a file for each thing that a method brings.

pub mod approle;
mod cloud;
mod methods;
mod token;

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::annotations::{Key, Named, Need, is_a_word};
use crate::kubernetes::Volumes;
use crate::rejection::{Place, Rejection};
use crate::service_account;
use crate::subject::Subject;
use crate::values::{AuthMethod, Count, GoDuration};
use crate::words::{listed, nearest};
use approle::Ids;
use methods::{BOOLEANS, Known, NUMBERS};
use token::Token;

/// What the block `config` of a method has in it.
pub type Configuration = Map<String, Value>;

/// How the pod logs in.
#[derive(Debug)]
pub struct Login {
    method: AuthMethod,
    /// Where the method is mounted, without `auth/`.
    path: String,
    /// What the annotations say of the method's configuration.
    config: Configuration,
    credentials: Credentials,
    min_backoff: Option<GoDuration>,
    max_backoff: Option<GoDuration>,
    /// Whether the agent ends when a login fails, if the pod says.
    exits_on_error: Option<bool>,
}

/// What the agent logs in with, besides what the configuration says.
#[derive(Debug)]
enum Credentials {
    /// A service account token, whose path is this key of the configuration.
    Token(&'static str, Token),
    AppRole(Ids),
    /// What the configuration names, or what a cloud gives to the pod's containers.
    Configured,
}

/// The block `method` of the agent's configuration.
#[derive(Debug, Serialize)]
pub struct Method<'a> {
    #[serde(rename = "type")]
    kind: String,
    mount_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_backoff: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_backoff: Option<&'a str>,
    /// Whether the agent ends when a login fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    exit_on_err: bool,
    #[serde(skip_serializing_if = "has_nothing")]
    config: [Configuration; 1],
}

fn has_nothing([config]: &[Configuration; 1]) -> bool {
    config.is_empty()
}

/// What the agent needs for its login.
pub struct LoginPlan<'a> {
    pub method: Method<'a>,
    /// The path of the service account token, if the login has one.
    pub token: Option<String>,
    pub variables: Vec<EnvVar>,
    pub mounts: Vec<VolumeMount>,
}

impl Login {
    /// Reads how the pod wants to log in. `fetches_once` says that an init container of the policy's does it, and
    /// `has_own_config` that the agent's configuration is the pod's, which says how.
    pub fn read(
        subject: &Subject<'_>,
        fetches_once: bool,
        has_own_config: bool,
    ) -> Result<Self, Rejection> {
        let (annotations, settings) = (&subject.annotations, &subject.settings.vault.auth);
        let method = annotations
            .auth()?
            .unwrap_or_else(|| settings.method.clone());
        let known = Known::of(method.as_str());
        if known.is_none() && !settings.methods.contains(&method) {
            return Err(unknown_method(&method, subject));
        }
        let restrictions = &subject.settings.restrictions;
        // What the administrator has chosen needs no list.
        if method != settings.method {
            restrictions.allow_auth_method(method.as_str(), || annotations.place(Key::Auth))?;
        }
        let mut config = configuration(known, subject)?;
        // A method that is not known may have one.
        if let Some(key) = known.map_or(Some("role"), |known| known.role) {
            // Without one, a login could have any.
            let is_needed = known.is_some_and(|known| known.required.contains(&key))
                || restrictions.allowed_roles.is_some();
            add_role(&mut config, key, is_needed && !has_own_config, subject)?;
        } else {
            annotations.warn_unmet(Need::Role, subject.warnings);
        }
        let secret = annotations.approle_secret()?;
        let token = known.and_then(|known| known.token);
        let configured = token.and_then(|key| Token::configured(config.get(key)?, subject));
        let is_left_to_us = |key: &&str| !config.contains_key(*key);
        let configured = token.zip(configured);
        let credentials = match (token, method.as_str()) {
            _ if let Some((key, token)) = configured => {
                config.remove(key);
                Credentials::Token(key, token)
            }
            (Some(key), name) if is_left_to_us(&key) => {
                let audience = match name {
                    "jwt" => &settings.jwt.token_audience,
                    _ => &settings.kubernetes.token_audience,
                };
                Credentials::Token(key, Token::read(subject, audience.as_ref())?)
            }
            (_, "approle") if !config.contains_key("role_id_file_path") && !has_own_config => {
                Credentials::AppRole(Ids::read(subject, secret, fetches_once)?)
            }
            _ => Credentials::Configured,
        };
        // An agent that is started again must read it again, and a volume is read-only.
        let kept = known.and_then(|known| known.keys().find(|key| is_removal(key)));
        if let Some(key) = kept
            && !has_own_config
        {
            config.entry(key).or_insert(false.into());
        }
        if !matches!(credentials, Credentials::Token(..)) {
            annotations.warn_unmet(Need::ServiceAccount, subject.warnings);
        }
        if !matches!(credentials, Credentials::AppRole(_)) {
            annotations.warn_unmet(Need::AppRole, subject.warnings);
        }
        let login = Login {
            path: path(&method, subject)?,
            method,
            config,
            credentials,
            min_backoff: annotations
                .auth_min_backoff()?
                .or(settings.min_backoff.clone()),
            max_backoff: annotations
                .auth_max_backoff()?
                .or(settings.max_backoff.clone()),
            exits_on_error: annotations.auth_exit_on_error()?,
        };
        if !has_own_config {
            login.reject_missing(known, subject)?;
        }
        Ok(login)
    }

    /// Rejects a configuration that the method cannot log in with.
    fn reject_missing(
        &self,
        known: Option<&Known>,
        subject: &Subject<'_>,
    ) -> Result<(), Rejection> {
        if matches!(self.credentials, Credentials::AppRole(_)) {
            return Ok(());
        }
        let is_given = |key: &str| {
            let is_token = matches!(self.credentials, Credentials::Token(token, _) if token == key);
            is_token || self.config.contains_key(key)
        };
        let required = known.map_or(&[][..], |known| known.required);
        let Some(missing) = required.iter().find(|key| !is_given(key)) else {
            return Ok(());
        };
        let annotations = &subject.annotations;
        let missing = annotations.name_of(Key::AuthConfig, &missing.replace('_', "-"));
        let method = self.method.as_str();
        Err(annotations.rejected(
            Key::Auth,
            format!("the login with {method} needs annotation {missing}; add it"),
        ))
    }

    /// The configuration, mounts and volumes for it of the agent, which runs as `user`. One that runs once ends when its login
    /// fails, unless the pod says otherwise.
    pub fn plan<'s>(
        &'s self,
        user: Option<i64>,
        runs_once: bool,
        subject: &Subject<'_>,
        volumes: &mut Volumes,
    ) -> Result<LoginPlan<'s>, Rejection> {
        let mut config = self.config.clone();
        let mut variables = Vec::new();
        let mut token_path = None;
        let mut mounts = match self.credentials {
            Credentials::Token(..) => Vec::new(),
            _ => vec![service_account::none(volumes)],
        };
        match &self.credentials {
            Credentials::Token(key, token) => {
                let (path, of_token) = token.plan(user, subject, volumes)?;
                config.insert((*key).to_owned(), path.as_str().into());
                token_path = Some(path);
                mounts = of_token;
                if !mounts.iter().any(service_account::is_at_default) {
                    mounts.push(service_account::none(volumes));
                }
            }
            Credentials::AppRole(ids) => {
                let settings = &subject.settings.vault.auth.approle;
                mounts.extend(ids.plan(settings, &mut config, volumes));
            }
            Credentials::Configured => {
                let region = config.get("region").and_then(Value::as_str);
                let (given, files) = cloud::identity(self.method.as_str(), region, subject);
                variables = given;
                mounts.extend(files);
            }
        }
        let method = Method {
            kind: self.method.as_str().replace('-', "_"),
            mount_path: format!("auth/{}", self.path),
            min_backoff: self.min_backoff.as_ref().map(GoDuration::as_str),
            max_backoff: self.max_backoff.as_ref().map(GoDuration::as_str),
            exit_on_err: self.exits_on_error.unwrap_or(runs_once),
            config: [config],
        };
        Ok(LoginPlan {
            method,
            token: token_path,
            variables,
            mounts,
        })
    }

    /// Whether it is with a service account token.
    pub fn has_token(&self) -> bool {
        matches!(self.credentials, Credentials::Token(..))
    }

    /// Whether the pod's own init container brings what to log in with.
    pub fn reads_ids_from_files(&self) -> bool {
        matches!(self.credentials, Credentials::AppRole(Ids::Files))
    }

    /// The files in the secrets directory that the login reads.
    pub fn files<'s>(&self, subject: &'s Subject<'_>) -> Option<[&'s str; 2]> {
        match &self.credentials {
            Credentials::AppRole(ids) => ids.files(&subject.settings.vault.auth.approle),
            _ => None,
        }
    }
}

/// Whether Vault Agent has a login method of this name.
pub fn is_known_method(name: &str) -> bool {
    Known::of(name).is_some()
}

/// Whether a key of a configuration says that a file is removed once it has been read.
fn is_removal(key: &str) -> bool {
    key.starts_with("remove_") && key.ends_with("_after_reading")
}

fn unknown_method(method: &AuthMethod, subject: &Subject<'_>) -> Rejection {
    let mut names: Vec<&str> = Known::names().collect();
    let others = subject.settings.vault.auth.methods.iter();
    names.extend(others.map(AuthMethod::as_str));
    let annotations = &subject.annotations;
    let expected = listed(names);
    match annotations.get(Key::Auth) {
        Some(given) if !is_a_word(given) => {
            annotations.rejected(Key::Auth, format!("not valid; expected one of {expected}"))
        }
        _ => annotations.rejected(
            Key::Auth,
            format!(
                "\"{}\" is not valid; expected one of {expected}",
                method.as_str()
            ),
        ),
    }
}

/// What the annotations say of the method's configuration.
fn configuration(known: Option<&Known>, subject: &Subject<'_>) -> Result<Configuration, Rejection> {
    let annotations = &subject.annotations;
    annotations.reject_many(Key::AuthConfig)?;
    let mut config = Configuration::new();
    for given in annotations.of(Key::AuthConfig) {
        let key = given.name.replace('-', "_");
        let value: String = annotations.value_of(given)?;
        let value = if BOOLEANS.contains(&&*key) {
            annotations.value_of::<bool>(given)?.into()
        } else if NUMBERS.contains(&&*key) {
            annotations.value_of::<Count>(given)?.0.into()
        } else {
            Value::String(value)
        };
        if let Some(known) = known
            && !known.keys().any(|known| known == key)
        {
            warn_of_unknown(given, &key, known, subject);
        }
        if config.insert(key, value).is_some() {
            return Err(annotations
                .place_of(given)
                .rejected("given twice, with - and with _; remove one of them"));
        }
    }
    Ok(config)
}

fn warn_of_unknown(given: &Named<'_>, key: &str, known: &Known, subject: &Subject<'_>) {
    let annotations = &subject.annotations;
    let place = annotations.place_of(given);
    let method = known.name;
    subject.warnings.add(match nearest(key, known.keys()) {
        Some(meant) => {
            let meant = meant.replace('_', "-");
            let meant = annotations.name_of(Key::AuthConfig, &meant);
            format!("{place}: unknown to the login with {method}; did you mean {meant}?")
        }
        None => format!("{place}: unknown to the login with {method}"),
    });
}

/// Adds the role: of the annotation, of the configuration, or the application label's where one is needed.
fn add_role(
    config: &mut Configuration,
    key: &str,
    is_needed: bool,
    subject: &Subject<'_>,
) -> Result<(), Rejection> {
    let (annotations, settings) = (&subject.annotations, subject.settings);
    let label = &settings.annotations.application_label;
    let configured = config.get(key).and_then(Value::as_str);
    let (role, place) = match (annotations.role()?, configured) {
        (Some(role), _) => (role, annotations.place(Key::Role)),
        (None, Some(role)) => {
            let name = annotations.name_of(Key::AuthConfig, key);
            (role.to_owned(), Place::Annotation(name))
        }
        // Vault finds the role of a certificate that names none.
        (None, None) if !is_needed => return Ok(()),
        (None, None) => {
            let role = subject.label(label, Key::Role)?;
            (role, Place::Label(label.as_str().to_owned()))
        }
    };
    let restrictions = &settings.restrictions;
    let work = &mut subject.work.borrow_mut();
    restrictions.allow_role(&role, place, subject.identity(), work)?;
    config.insert(key.to_owned(), role.into());
    Ok(())
}

/// Where the method is mounted, without `auth/`.
fn path(method: &AuthMethod, subject: &Subject<'_>) -> Result<String, Rejection> {
    let settings = &subject.settings.vault.auth;
    let name = method.as_str();
    let known = match name {
        "kubernetes" => settings.kubernetes.path.as_str(),
        "approle" => settings.approle.path.as_str(),
        "jwt" => settings.jwt.path.as_str(),
        name => name,
    };
    let annotations = &subject.annotations;
    let Some(given) = annotations.auth_path()? else {
        return Ok(known.to_owned());
    };
    let path = given.as_str();
    let path = path.strip_prefix("auth/").unwrap_or(path);
    subject.settings.restrictions.allow_auth_path(
        path,
        known,
        || annotations.place(Key::AuthPath),
        subject.identity(),
        &mut subject.work.borrow_mut(),
    )?;
    Ok(path.to_owned())
}
