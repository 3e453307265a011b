//! The module, pushed to a registry on loopback, comes back as the same bytes: by an OCI client, and by kwctl where it is
//! installed.
//!
//! `make e2e-registry` runs it; the registry is Debian's package `docker-registry`.

use std::{
    env, fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::{WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE},
    secrets::RegistryAuth,
};
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
