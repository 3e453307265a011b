//! Which service account token an injected container gets: as few as possible.

use super::container::{field, read_only};
use super::volumes::{self, Volumes};
use super::{Context, Refusal, names};
use crate::annotations::Key;
use crate::intent::Token;
use crate::kubernetes::{
    DownwardApiProjection, DownwardApiVolumeFile, ObjectProjection, ServiceAccountTokenProjection,
    VolumeMount, VolumeProjection,
};
use crate::pod::{self, VolumeSource};

/// Seconds after which a token of our own is replaced; the agent reads it again at each login.
const EXPIRATION_SECONDS: i64 = 3600;

/// What an injected container has in the place of service account tokens.
pub struct TokenMounts {
    pub mounts: Vec<VolumeMount>,
    /// Where the token is.
    pub path: String,
}

/// The token that Vault Agent logs in with: the application's, or one of our own where there is none or where Vault
/// expects an audience of its own.
///
/// # Errors
///
/// If the annotation names a file in a volume that cannot hold a token: the application could write it.
pub fn for_login(token: &Token, context: &mut Context<'_, '_>) -> Result<TokenMounts, Refusal> {
    let audience = context.settings.vault.kubernetes.token_audience.as_deref();
    let is_default = |path: &str| pod::same_path(path, names::SERVICE_ACCOUNT_TOKEN);
    let found = match token {
        Token::Default if audience.is_some() => None,
        Token::Default => find(names::SERVICE_ACCOUNT_TOKEN, context),
        Token::At(path) => find(path.as_str(), context),
    };
    let (mount, path) = match (found, token) {
        (Some(found), Token::At(path)) if !found.can_be_token() => {
            return Err(Refusal::NotATokenVolume {
                annotation: context.settings.annotations.name(Key::SaToken),
                path: path.as_str().to_owned(),
                volume: found.volume.name.to_string(),
                kind: found.volume.source.kind().to_owned(),
            });
        }
        (Some(found), _) if found.can_be_token() && found.is_allowed(context) => {
            let directory = match found.is_at_default && found.path == "token" {
                true => names::SERVICE_ACCOUNT_DIRECTORY,
                false => names::LOGIN_TOKEN_DIRECTORY,
            };
            let mount = read_only(&found.volume.name, directory);
            (mount, format!("{directory}/{}", found.path))
        }
        (found, _) => {
            let directory = match token {
                Token::At(path) if !is_default(path.as_str()) => names::LOGIN_TOKEN_DIRECTORY,
                _ => names::SERVICE_ACCOUNT_DIRECTORY,
            };
            let warning = match (found, token) {
                (Some(found), _) => Some(format!(
                    "volume {} at {} is not used for the login, because it has no token that the pod may choose; the agent gets a token of its own",
                    found.volume.name.0,
                    names::SERVICE_ACCOUNT_DIRECTORY
                )),
                // The API server gives it to the pods of a template.
                (None, Token::At(path))
                    if !(context.surroundings.is_template && is_default(path.as_str())) =>
                {
                    Some(format!(
                        "annotation {}: no container of the application mounts a volume that has {}; the agent gets a token of its own",
                        context.settings.annotations.name(Key::SaToken),
                        path.as_str()
                    ))
                }
                (None, _) => None,
            };
            context.warnings.extend(warning);
            context.volumes.add(volumes::projected(
                names::LOGIN_TOKEN_VOLUME,
                vec![token_projection(audience)],
            ));
            let mount = read_only(names::LOGIN_TOKEN_VOLUME, directory);
            (mount, format!("{directory}/token"))
        }
    };
    let is_at_default = mount.mount_path == names::SERVICE_ACCOUNT_DIRECTORY;
    let mut mounts = vec![mount];
    if !is_at_default {
        mounts.push(none(&mut context.volumes));
    }
    Ok(TokenMounts { mounts, path })
}

/// The token to ask the API server with: the pod's, or one of our own where the pod has none.
pub fn for_api_server(context: &mut Context<'_, '_>) -> VolumeMount {
    let found = find(names::SERVICE_ACCOUNT_TOKEN, context);
    let of_pod = found.filter(|found| {
        let source = &found.volume.source;
        found.is_at_default
            && found.path == "token"
            && (source.own_token("token") == Some(true)
                || (matches!(source, VolumeSource::Secret(_)) && found.can_be_token()))
    });
    if let Some(found) = of_pod {
        return read_only(&found.volume.name, names::SERVICE_ACCOUNT_DIRECTORY);
    }
    let certificate = VolumeProjection::ConfigMap(ObjectProjection {
        name: "kube-root-ca.crt".to_owned(),
        items: volumes::items(&[("ca.crt", "ca.crt")]),
    });
    let namespace = VolumeProjection::DownwardApi(DownwardApiProjection {
        items: vec![DownwardApiVolumeFile {
            path: "namespace",
            field_ref: field("metadata.namespace"),
        }],
    });
    context.volumes.add(volumes::projected(
        names::API_TOKEN_VOLUME,
        vec![token_projection(None), certificate, namespace],
    ));
    read_only(names::API_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
}

/// An empty volume where Kubernetes would mount the pod's token: it does so again after webhooks, in every
/// container that has nothing there.
pub fn none(volumes: &mut Volumes) -> VolumeMount {
    volumes.add(volumes::empty_dir(names::NO_TOKEN_VOLUME, Some("4Ki")));
    read_only(names::NO_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
}

/// A file in a volume of the application's.
struct Found<'c, 'p> {
    volume: &'c pod::Volume<'p>,
    /// Its path in the volume.
    path: String,
    /// Whether the volume as a whole is mounted where Kubernetes mounts tokens.
    is_at_default: bool,
}

impl Found<'_, '_> {
    fn can_be_token(&self) -> bool {
        self.volume.source.can_hold_token(&self.path)
    }

    /// Whether pods may choose it: where `sa-token` is locked, they may not choose another token by mounting it in
    /// the place of their own either.
    fn is_allowed(&self, context: &Context<'_, '_>) -> bool {
        let restrictions = &context.settings.restrictions;
        !restrictions.is_locked(Key::SaToken) || self.volume.source.own_token(&self.path).is_some()
    }
}

/// Finds the file at `path` of the application's containers. A `subPathExpr` is made of the variables of its own
/// container, which ours do not have.
fn find<'c, 'p>(path: &str, context: &Context<'c, 'p>) -> Option<Found<'c, 'p>> {
    let mounts = context
        .applications
        .iter()
        .flat_map(|container| &container.volume_mounts)
        .filter(|mount| mount.sub_path_expr.is_none());
    let (mount, rest) = mounts
        .filter_map(|mount| Some((mount, pod::below(path, &mount.mount_path)?)))
        // The innermost one is what a container sees.
        .min_by_key(|(_, rest)| rest.len())?;
    Some(Found {
        volume: context.pod.volume(&mount.name)?,
        path: match mount.sub_path.as_deref() {
            None | Some("") => rest,
            Some(part) => pod::below(&format!("/{part}/{rest}"), "/")?,
        },
        is_at_default: mount.is_at(names::SERVICE_ACCOUNT_DIRECTORY) && !mount.is_partial(),
    })
}

fn token_projection(audience: Option<&str>) -> VolumeProjection {
    VolumeProjection::ServiceAccountToken(ServiceAccountTokenProjection {
        audience: audience.map(str::to_owned),
        expiration_seconds: EXPIRATION_SECONDS,
        path: "token".to_owned(),
    })
}
