//! Which service account token an injected container gets: as few as possible.

use super::container::{field, read_only};
use super::volumes::{self, Volumes};
use super::{Context, names};
use crate::annotations::Key;
use crate::intent::Token;
use crate::kubernetes::{
    DownwardApiProjection, DownwardApiVolumeFile, ObjectProjection, ServiceAccountTokenProjection,
    VolumeMount, VolumeProjection,
};
use crate::pod;

/// Seconds after which a token of our own is replaced; the agent reads it again at each login.
const EXPIRATION_SECONDS: i64 = 3600;

/// What an injected container has in the place of service account tokens.
pub struct TokenMounts {
    pub mounts: Vec<VolumeMount>,
    /// Where the token is.
    pub path: String,
}

/// The token that Vault Agent logs in with: the application's, or one of our own where there is none or
/// where Vault expects an audience of its own.
pub fn for_login(token: &Token, context: &mut Context<'_, '_>) -> TokenMounts {
    let audience = context.settings.vault.kubernetes.token_audience.as_deref();
    let (directory, file) = match token {
        Token::Default => (names::SERVICE_ACCOUNT_DIRECTORY, "token"),
        Token::At(path) => path.split(),
    };
    let mounted = match (token, audience) {
        (Token::Default, Some(_)) => None,
        _ => mount_at(directory, &context.applications),
    };
    let mount = mounted.unwrap_or_else(|| {
        let comes_later = context.surroundings.is_template
            && pod::same_path(directory, names::SERVICE_ACCOUNT_DIRECTORY);
        if let Token::At(path) = token
            && !comes_later
        {
            context.warnings.push(format!(
                "annotation {}: no container has a volume at {directory} that the agent can mount as well; the agent gets a token of its own at {}",
                context.settings.annotations.name(Key::SaToken),
                path.as_str()
            ));
        }
        context.volumes.add(volumes::projected(
            names::LOGIN_TOKEN_VOLUME,
            vec![token_projection(audience, file)],
        ));
        read_only(names::LOGIN_TOKEN_VOLUME, directory)
    });
    let mut mounts = vec![mount];
    if !pod::same_path(directory, names::SERVICE_ACCOUNT_DIRECTORY) {
        mounts.push(none(&mut context.volumes));
    }
    TokenMounts {
        mounts,
        path: format!("{directory}/{file}"),
    }
}

/// The token to ask the API server with: the pod's, or one of our own where the pod has none.
pub fn for_api_server(context: &mut Context<'_, '_>) -> VolumeMount {
    let mounted = mount_at(names::SERVICE_ACCOUNT_DIRECTORY, &context.applications);
    mounted.unwrap_or_else(|| {
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
            vec![token_projection(None, "token"), certificate, namespace],
        ));
        read_only(names::API_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
    })
}

/// An empty volume where Kubernetes would mount the pod's token: it does so again after webhooks, in every
/// container that has nothing there.
pub fn none(volumes: &mut Volumes) -> VolumeMount {
    volumes.add(volumes::empty_dir(names::NO_TOKEN_VOLUME, Some("4Ki")));
    read_only(names::NO_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
}

/// The application's mount at `directory`, for a container of ours. A `subPathExpr` is made of the
/// variables of its own container, which ours do not have.
fn mount_at(directory: &str, applications: &[&pod::Container<'_>]) -> Option<VolumeMount> {
    applications
        .iter()
        .flat_map(|container| &container.volume_mounts)
        .find(|mount| mount.is_at(directory) && mount.sub_path_expr.is_none())
        .map(|mount| VolumeMount {
            sub_path: mount.sub_path.as_ref().map(|path| path.to_string()),
            ..read_only(&mount.name, directory)
        })
}

fn token_projection(audience: Option<&str>, file: &str) -> VolumeProjection {
    VolumeProjection::ServiceAccountToken(ServiceAccountTokenProjection {
        audience: audience.map(str::to_owned),
        expiration_seconds: EXPIRATION_SECONDS,
        path: file.to_owned(),
    })
}
