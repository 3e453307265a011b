//! Consul Template itself, with the configuration that pods get, on a machine that has it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// More than any run takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// In front of a template: ends its execution, once it has been parsed, before anything of it happens.
const STOP: &str = "{{ sprig_fail \"was parsed\" }}";

/// Its directories, away from those of containers.
pub struct ConsulTemplate {
    home: TempDir,
}

/// What comes of a template, except its output.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Parsed,
    /// With the reason.
    Rejected(String),
}

impl ConsulTemplate {
    pub fn new() -> ConsulTemplate {
        let home = tempfile::tempdir().expect("a directory can be made");
        fs::create_dir(home.path().join("secrets")).expect("a directory can be made");
        ConsulTemplate { home }
    }

    /// Renders all files once, with what `vault` answers, and returns their texts in the order of the templates.
    pub fn render(&self, configuration: &Value, vault: &str) -> Vec<String> {
        let configuration = self.moved(configuration);
        let mut process = self.start(&configuration, &["-once"], vault);
        let mut errors = process.stderr.take().expect("its errors are a pipe");
        let reader = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match process.try_wait().expect("it can be waited for") {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => {
                    let _ = process.kill();
                    break None;
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let errors = reader.join().expect("the reader does not panic");
        assert!(
            status.is_some_and(|status| status.success()),
            "consul-template: {status:?}\n{errors}"
        );
        let templates = configuration["template"].as_array();
        let files = templates.into_iter().flatten();
        files
            .map(|file| file["destination"].as_str().expect("a destination is text"))
            .map(|file| fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}")))
            .collect()
    }

    /// What comes of templates, of which no two are the same, in the place of the only one of `configuration`.
    pub fn parse(&self, configuration: &Value, templates: &[String]) -> Vec<Fate> {
        let mut configuration = self.moved(configuration);
        let file = configuration["template"][0].clone();
        let files = templates.iter().enumerate().map(|(index, template)| {
            let mut file = file.clone();
            file["contents"] = json!(format!("{STOP}{template}"));
            file["destination"] = json!(self.path(&format!("secrets/{index}")));
            file
        });
        configuration["template"] = files.collect();
        let mut process = self.start(&configuration, &["-dry", "-once"], "");
        let errors = process.stderr.take().expect("its errors are a pipe");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(errors).lines().map_while(Result::ok);
            // Until nobody listens any more.
            let _ = lines.map(|line| sender.send(line)).find(Result::is_err);
        });
        // It reports one error for each template, and goes on trying.
        let mut fates = Vec::new();
        let mut log = String::new();
        while fates.len() < templates.len() {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                let _ = process.kill();
                panic!(
                    "consul-template stopped at template {}:\n{log}",
                    fates.len()
                );
            };
            if let Some((_, error)) = line.split_once("[ERR] (runner) (dynamic): ") {
                fates.push(fate(error));
            }
            log = format!("{log}{line}\n");
        }
        let _ = process.kill();
        let _ = process.wait();
        fates
    }

    fn start(&self, configuration: &Value, arguments: &[&str], vault: &str) -> Child {
        let file = self.path("consul-template.json");
        fs::write(&file, configuration.to_string()).expect("a file can be written");
        fs::write(self.path(".vault-token"), "hvs.token").expect("a file can be written");
        Command::new("consul-template")
            .args(arguments)
            .arg("-config")
            .arg(&file)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home.path())
            .env("VAULT_ADDR", vault)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("consul-template runs")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The configuration with directories of ours in the place of the container's.
    fn moved(&self, configuration: &Value) -> Value {
        let home = self.home.path();
        let mut configuration = configuration.clone();
        move_below(home, &mut configuration["vault"]["vault_agent_token_file"]);
        let files = configuration["template"].as_array_mut();
        for file in files.into_iter().flatten() {
            move_below(home, &mut file["destination"]);
            move_below(home, &mut file["sandbox_path"]);
        }
        configuration
    }
}

fn move_below(home: &Path, path: &mut Value) {
    let text = path.as_str().expect("a path is text");
    let home = home.to_str().expect("the home is text");
    let moved = [
        ("/opt/talend/secrets", "/secrets"),
        ("/opt/talend/tvsi", ""),
    ]
    .into_iter()
    .find_map(|(directory, below)| Some(format!("{home}{below}{}", text.strip_prefix(directory)?)));
    *path = json!(moved.unwrap_or_else(|| panic!("{text} is in no directory of the policy's")));
}

fn fate(error: &str) -> Fate {
    match error.split_once(": template: :") {
        Some(("parse", reason)) => {
            // Without the line and the place in it.
            let (_, reason) = reason.split_once(": ").unwrap_or_default();
            Fate::Rejected(reason.to_owned())
        }
        Some(("execute", reason)) if reason.ends_with("was parsed") => Fate::Parsed,
        _ => panic!("consul-template: {error}"),
    }
}
