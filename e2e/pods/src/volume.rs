//! The volumes of a pod, as directories that its containers mount.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, Pod, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use crate::quantity;
use crate::runtime::tmpfs;

/// What a volume may be filled with: the objects of the pod's namespace.
pub trait Objects {
    /// A Secret's data.
    fn secret(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
    /// A ConfigMap's data.
    fn config_map(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
    /// A token for a pod's service account.
    fn token(&self, pod: &Pod, projection: &ServiceAccountTokenProjection) -> String;
}

/// Makes a volume in `directory`, which is in memory, as a kubelet has it for all but emptyDir anyway.
///
/// # Errors
///
/// If an object that it is made of is missing, or for a kind of volume that this runner does not have.
pub fn make(volume: &Volume, pod: &Pod, directory: &Path, objects: &dyn Objects) -> Result<()> {
    fs::create_dir_all(directory)?;
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(empty) = &volume.empty_dir {
        return tmpfs(directory, &empty_dir_options(empty)?);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let data = objects.secret(namespace, name);
        let data = data.with_context(|| format!("secret {name} is not there"))?;
        let mode = secret.default_mode.unwrap_or(0o644);
        return write_all(directory, &data, secret.items.as_deref(), mode);
    }
    if let Some(config_map) = &volume.config_map {
        let data = objects.config_map(namespace, &config_map.name);
        let data = data.with_context(|| format!("config map {} is not there", config_map.name))?;
        let mode = config_map.default_mode.unwrap_or(0o644);
        return write_all(directory, &data, config_map.items.as_deref(), mode);
    }
    if let Some(projected) = &volume.projected {
        let mode = projected.default_mode.unwrap_or(0o644);
        for source in projected.sources.iter().flatten() {
            project(source, pod, directory, mode, objects)?;
        }
        return Ok(());
    }
    bail!("volume {} is of a kind that is not run here", volume.name)
}

fn empty_dir_options(empty: &EmptyDirVolumeSource) -> Result<String> {
    let mut options = "mode=0777".to_owned();
    if let Some(limit) = &empty.size_limit {
        options += &format!(",size={}", quantity::bytes(limit)?);
    }
    Ok(options)
}

fn project(
    source: &VolumeProjection,
    pod: &Pod,
    directory: &Path,
    mode: i32,
    objects: &dyn Objects,
) -> Result<()> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(token) = &source.service_account_token {
        let text = objects.token(pod, token);
        write(directory, &token.path, text.as_bytes(), mode)?;
    }
    if let Some(secret) = &source.secret {
        let data = objects.secret(namespace, &secret.name);
        let data = data.with_context(|| format!("secret {} is not there", secret.name))?;
        write_all(directory, &data, secret.items.as_deref(), mode)?;
    }
    if let Some(config_map) = &source.config_map {
        let data = objects.config_map(namespace, &config_map.name);
        let data = data.with_context(|| format!("config map {} is not there", config_map.name))?;
        write_all(directory, &data, config_map.items.as_deref(), mode)?;
    }
    if let Some(fields) = &source.downward_api {
        for item in fields.items.iter().flatten() {
            let path = item.field_ref.as_ref().map(|field| &*field.field_path);
            let value = field(pod, path.unwrap_or_default())?;
            write(directory, &item.path, value.as_bytes(), mode)?;
        }
    }
    Ok(())
}

/// A field of the pod, as environment variables and downward volumes name it.
///
/// # Errors
///
/// For one that this runner does not know.
pub fn field(pod: &Pod, path: &str) -> Result<String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let value = match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" => Some("127.0.0.1".to_owned()),
        _ => bail!("field {path} is not known here"),
    };
    Ok(value.unwrap_or_default())
}

/// Writes the values by their keys, or those that `items` names where it says.
fn write_all(
    directory: &Path,
    data: &BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    mode: i32,
) -> Result<()> {
    let Some(items) = items else {
        return data
            .iter()
            .try_for_each(|(key, value)| write(directory, key, value, mode));
    };
    for item in items {
        let value = data.get(&item.key);
        let value = value.with_context(|| format!("there is no key {}", item.key))?;
        write(directory, &item.path, value, item.mode.unwrap_or(mode))?;
    }
    Ok(())
}

fn write(directory: &Path, name: &str, content: &[u8], mode: i32) -> Result<()> {
    let path = below(directory, name)?;
    fs::create_dir_all(path.parent().unwrap_or(directory))?;
    fs::write(&path, content)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode.try_into()?))?;
    Ok(())
}

/// `name` below a directory, which it must not leave.
///
/// # Errors
///
/// If it does.
pub fn below(directory: &Path, name: &str) -> Result<PathBuf> {
    let name = Path::new(name);
    if name
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        bail!("{} leaves its directory", name.display());
    }
    Ok(directory.join(name))
}
