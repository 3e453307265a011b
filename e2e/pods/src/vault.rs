//! A Vault or OpenBao server in memory, on loopback, for the time of a run.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Method;

use crate::certificates::Identity;
use crate::port;
use crate::runtime::POLL;

const ROOT_TOKEN: &str = "root";

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The server. It ends when this is dropped.
pub struct VaultServer {
    /// Where it speaks HTTP at 127.0.0.1.
    pub port: u16,
    /// Where it speaks HTTPS.
    pub tls_port: u16,
    process: Child,
    client: Agent,
}

impl VaultServer {
    /// Starts `program` with its files in `directory`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it ends or does not answer, with the path of its log.
    pub fn start(program: &Path, directory: &Path, identity: &Identity) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let certificate = directory.join("server.crt");
        let private_key = directory.join("server.key");
        fs::write(&certificate, &identity.certificate)?;
        fs::write(&private_key, &identity.private_key)?;
        let (port, tls_port) = (port::free()?, port::free()?);
        let config = json!({"listener": [{"tcp": {
            "address": format!("127.0.0.1:{tls_port}"),
            "tls_cert_file": certificate,
            "tls_key_file": private_key,
        }}]});
        let config_file = directory.join("server.json");
        fs::write(&config_file, config.to_string())?;
        let log_file = directory.join("server.log");
        let log = File::create(&log_file)?;
        let process = Command::new(program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT_TOKEN}"))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg("-config")
            .arg(config_file)
            .env_remove("VAULT_ADDR")
            .env("HOME", directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let client = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut server = Self {
            port,
            tls_port,
            process,
            client,
        };
        let deadline = Instant::now() + START_LIMIT;
        while server.request(Method::GET, "sys/health", None).is_err() {
            if server.process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the server does not answer; see {}", log_file.display());
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    /// Reads what is at a path; none if there is nothing.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn read(&self, path: &str) -> Result<Option<Value>> {
        self.request(Method::GET, path, None)
    }

    /// Writes to a path, and returns what the server answers.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn write(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.request(Method::POST, path, Some(body))?;
        Ok(answer.unwrap_or(Value::Null))
    }

    /// Lists the names below a path; none if there is nothing.
    ///
    /// # Errors
    ///
    /// If the server rejects it.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        let method = Method::from_bytes(b"LIST")?;
        let answer = self.request(method, path, None)?.unwrap_or(Value::Null);
        let keys = answer["data"]["keys"].as_array().cloned();
        Ok(keys
            .unwrap_or_default()
            .iter()
            .filter_map(|key| Some(key.as_str()?.to_owned()))
            .collect())
    }

    /// Whether a token can still be used.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub fn is_valid(&self, token: &str) -> Result<bool> {
        let url = self.url("auth/token/lookup-self");
        let answer = self
            .client
            .get(&url)
            .header("X-Vault-Token", token)
            .call()?;
        Ok(answer.status().is_success())
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>> {
        let name = format!("{method} {path}");
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path))
            .header("X-Vault-Token", ROOT_TOKEN)
            .body(body.map(Value::to_string).unwrap_or_default())?;
        let mut answer = self.client.run(request)?;
        let text = answer.body_mut().read_to_string()?;
        match answer.status().as_u16() {
            200..300 if text.is_empty() => Ok(Some(Value::Null)),
            200..300 => Ok(Some(serde_json::from_str(&text)?)),
            404 => Ok(None),
            status => bail!("{name}: {status}: {text}"),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/v1/{path}", self.port)
    }
}

impl Drop for VaultServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
