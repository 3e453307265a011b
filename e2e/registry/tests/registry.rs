//! The module, pushed to a registry on loopback, comes back as the same bytes: by an OCI client, and by kwctl where it is
//! installed. And what images run is looked up there.
//!
//! `make e2e-registry` runs it; the registry is Debian's package `docker-registry`.

use std::{
    env, fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::{
        IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, WASM_CONFIG_MEDIA_TYPE,
        WASM_LAYER_MEDIA_TYPE,
    },
    secrets::RegistryAuth,
};
use policy_host::{Guest as _, Policy};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the registry may take to listen.
const STARTING: Duration = Duration::from_secs(20);

/// A registry without TLS, which ends with its value.
struct Registry {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Registry {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let configuration = directory.path().join("registry.yml");
        let storage = directory.path().join("storage");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        );
        fs::write(&configuration, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("docker-registry is not installed"),
            _ => panic!("docker-registry cannot be run: {error}"),
        });
        let mut registry = Self {
            process,
            port,
            directory,
        };
        registry.wait_until_it_listens();
        registry
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let end = self.process.try_wait().unwrap();
            assert_eq!(end, None, "the registry has ended");
            assert!(start.elapsed() < STARTING, "the registry does not listen");
            sleep(Duration::from_millis(50));
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/policies/{name}:v0.1.0", self.address())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The annotated module, where there is a kwctl to annotate it.
fn module_path() -> PathBuf {
    let name = env::var_os("POLICY").expect("`make e2e-registry` names the module");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

fn module() -> Vec<u8> {
    fs::read(module_path()).expect("`make e2e-registry` has built it")
}

/// An OCI client, with what it needs to wait.
struct OciClient {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl OciClient {
    fn new() -> Self {
        // It makes a TLS client too. The other test may have been here before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let configuration = ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        };
        Self {
            client: Client::new(configuration),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// Pushes a module as policies are pushed: one layer, with the media type of WebAssembly.
    fn push(&self, reference: &str, module: Vec<u8>) {
        let reference: Reference = reference.parse().unwrap();
        let layers = [ImageLayer::new(
            module,
            WASM_LAYER_MEDIA_TYPE.to_owned(),
            None,
        )];
        let config = Config::new(b"{}".to_vec(), WASM_CONFIG_MEDIA_TYPE.to_owned(), None);
        let pushed = self
            .client
            .push(&reference, &layers, config, &RegistryAuth::Anonymous, None);
        self.runtime.block_on(pushed).unwrap();
    }

    /// Pushes an image for a platform, and returns its digest and the size of its manifest.
    fn push_image(&self, reference: &str, architecture: &str, config: Value) -> (String, usize) {
        let reference: Reference = reference.parse().unwrap();
        let config = json!({
            "os": "linux", "architecture": architecture, "config": config,
            "rootfs": {"type": "layers", "diff_ids": []}, "history": [],
        });
        let config = Config::new(
            config.to_string().into_bytes(),
            IMAGE_CONFIG_MEDIA_TYPE.to_owned(),
            None,
        );
        let anonymous = &RegistryAuth::Anonymous;
        let pushed = self.client.push(&reference, &[], config, anonymous, None);
        self.runtime.block_on(pushed).unwrap();
        let accepted = &[OCI_IMAGE_MEDIA_TYPE];
        let manifest = self
            .client
            .pull_manifest_raw(&reference, anonymous, accepted);
        let (manifest, digest) = self.runtime.block_on(manifest).unwrap();
        (digest, manifest.len())
    }

    fn push_index(&self, reference: &str, index: Value) {
        let reference: Reference = reference.parse().unwrap();
        let index = serde_json::from_value(index).unwrap();
        let pushed = self
            .client
            .push_manifest_list(&reference, &RegistryAuth::Anonymous, index);
        self.runtime.block_on(pushed).unwrap();
    }

    fn pull(&self, reference: &str) -> Vec<u8> {
        let reference: Reference = reference.parse().unwrap();
        let accepted = vec![WASM_LAYER_MEDIA_TYPE];
        let pulled = self
            .client
            .pull(&reference, &RegistryAuth::Anonymous, accepted);
        let image = self.runtime.block_on(pulled).unwrap();
        assert_eq!(image.layers.len(), 1);
        image.layers[0].data.to_vec()
    }
}

/// kwctl, where it is installed, with a home of its own.
struct Kwctl<'a> {
    registry: &'a Registry,
}

impl<'a> Kwctl<'a> {
    fn find(registry: &'a Registry) -> Option<Self> {
        let is_there = Command::new("kwctl").arg("--version").output().is_ok();
        is_there.then_some(Self { registry })
    }

    fn run(&self, arguments: &[&str]) {
        let home = self.registry.directory.path();
        let sources = home.join("sources.yaml");
        let text = format!("insecure_sources: ['{}']\n", self.registry.address());
        fs::write(&sources, text).unwrap();
        let output = Command::new("kwctl")
            .args(arguments)
            .arg("--sources-path")
            .arg(&sources)
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kwctl {arguments:?}: {errors}");
    }

    fn push(&self, reference: &str) {
        self.run(&["push", module_path().to_str().unwrap(), reference]);
    }

    fn pull(&self, reference: &str) -> Vec<u8> {
        let path = self.registry.directory.path().join("pulled.wasm");
        let uri = format!("registry://{reference}");
        self.run(&["pull", "--output-path", path.to_str().unwrap(), &uri]);
        fs::read(path).unwrap()
    }
}

#[test]
fn the_module_comes_back_as_it_went() {
    let registry = Registry::start();
    let reference = registry.reference("by-client");
    let client = OciClient::new();
    client.push(&reference, module());
    assert!(client.pull(&reference) == module(), "other bytes came back");

    let Some(kwctl) = Kwctl::find(&registry) else {
        eprintln!("kwctl is not installed: only the OCI client was tried");
        return;
    };
    assert!(
        kwctl.pull(&reference) == module(),
        "other bytes came to kwctl"
    );
    let reference = registry.reference("by-kwctl");
    kwctl.push(&reference);
    assert!(
        client.pull(&reference) == module(),
        "other bytes came from kwctl"
    );
    assert!(
        kwctl.pull(&reference) == module(),
        "kwctl got back other bytes"
    );
}

/// Images of one platform and of several, as the policy looks them up.
#[test]
fn what_images_run_is_looked_up() {
    let registry = Registry::start();
    let client = OciClient::new();
    let one = registry.reference("one");
    client.push_image(
        &one,
        "amd64",
        json!({"Entrypoint": ["/one"], "Cmd": ["$HOME"]}),
    );
    let index = |name: &str, commands: [&str; 2]| {
        let manifests =
            ["amd64", "arm64"]
                .into_iter()
                .zip(commands)
                .map(|(architecture, command)| {
                    let reference = registry.reference(&format!("{name}-{architecture}"));
                    // In the repository of the index.
                    let reference = reference.replace(
                        &format!("{name}-{architecture}:"),
                        &format!("{name}:{architecture}-"),
                    );
                    let digest = client.push_image(
                        &reference,
                        architecture,
                        json!({"Entrypoint": [command]}),
                    );
                    json!({
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": digest.0,
                        "size": digest.1,
                        "platform": {"os": "linux", "architecture": architecture},
                    })
                });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests.collect::<Vec<_>>(),
        });
        let reference = registry.reference(name);
        client.push_index(&reference, index);
        reference
    };
    let same = index("same", ["/app", "/app"]);
    let different = index("different", ["/app-amd64", "/app-arm64"]);

    let images = policy_host::Registry::new().unwrap();
    let policy = Policy::from_file(module_path())
        .unwrap()
        .with_images(Arc::new(images));
    let command = |image: &str| {
        let request = json!({
            "uid": "1", "operation": "CREATE", "namespace": "default", "userInfo": {},
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "app", "annotations": {
                    "sidecar.vault.talend.org/inject": "true",
                    "sidecar.vault.talend.org/role": "app",
                }},
                "spec": {"containers": [{
                    "name": "app", "image": image, "env": [{"name": "A", "value": "vault:secret/app#a"}],
                }]},
            },
        });
        let response = policy.validate(&request, &json!({})).unwrap();
        if !response.allowed {
            return response.status.unwrap().message.unwrap();
        }
        let container =
            response.apply_to(&request["object"]).unwrap()["spec"]["containers"][0].clone();
        let words = container["command"].as_array().unwrap();
        let own = words
            .iter()
            .skip_while(|word| **word != "--")
            .skip(1)
            .cloned();
        format!("{} {}", Value::Array(own.collect()), container["args"])
    };
    // Kubernetes makes one of two.
    assert_eq!(command(&one), r#"["/one"] ["$$HOME"]"#);
    assert_eq!(command(&same), r#"["/app"] null"#);
    let message = command(&different);
    assert!(
        message.contains("/app-amd64") && message.contains("/app-arm64"),
        "{message}"
    );
    let message = command(&registry.reference("missing"));
    assert!(
        message.contains("its registry cannot be reached, or rejects the request"),
        "{message}"
    );
}

/// A module that has been changed on its way has another digest, and clients reject it.
#[test]
#[should_panic(expected = "DigestError")]
fn a_module_that_was_changed_in_the_registry_is_rejected() {
    let registry = Registry::start();
    let reference = registry.reference("changed");
    let client = OciClient::new();
    client.push(&reference, module());
    let blobs = registry.directory.path().join("storage");
    let data = largest_file(&blobs);
    let mut bytes = fs::read(&data).unwrap();
    bytes[100] ^= 1;
    fs::write(data, bytes).unwrap();
    client.pull(&reference);
}

fn largest_file(directory: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => directories.push(entry.path()),
                false => files.push((entry.metadata().unwrap().len(), entry.path())),
            }
        }
    }
    files.into_iter().max().unwrap().1
}
