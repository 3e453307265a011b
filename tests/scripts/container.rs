//! A container as far as a script can tell: a shell, an environment and programs on `PATH`. The
//! programs are stand-ins that note how they are called.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// The scripts as they go into pods.
const SCRIPTS: &str = concat!(env!("OUT_DIR"), "/scripts");

const STAND_INS: [(&str, &str); 7] = [
    ("application", include_str!("stand-ins/program")),
    ("consul-template", include_str!("stand-ins/program")),
    ("date", include_str!("stand-ins/date")),
    ("kubectl", include_str!("stand-ins/kubectl")),
    ("namesake", include_str!("stand-ins/namesake")),
    ("sleep", include_str!("stand-ins/sleep")),
    ("vault", include_str!("stand-ins/program")),
];

/// What has not happened by then never will. Only a test that fails waits as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// The shells that the images have: dash in Debian's, busybox in Alpine's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shell {
    Dash,
    Busybox,
}

impl Shell {
    pub fn name(self) -> &'static str {
        match self {
            Shell::Dash => "dash",
            Shell::Busybox => "busybox sh",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Shell::Dash => "dash",
            Shell::Busybox => "busybox-static",
        }
    }

    fn command(self) -> Command {
        // A shell that begins with a signal ignored, as in the background of another or under nohup, cannot trap it.
        let mut command = Command::new(find_program("env").expect("env is on PATH"));
        let mut words = self.name().split(' ');
        let shell = words.next().and_then(find_program).unwrap_or_else(|| {
            panic!(
                "these tests need {}: install the package {}",
                self.name(),
                self.package()
            )
        });
        command
            .arg("--default-signal=HUP,INT,TERM")
            .arg(shell)
            .args(words);
        command
    }
}

/// Runs `check` for both shells at once; a panic names the shell as its thread.
pub fn under_each_shell(check: impl Fn(Shell) + Sync) {
    let check = &check;
    let failed: Vec<&str> = thread::scope(|scope| {
        [Shell::Dash, Shell::Busybox]
            .map(|shell| {
                let thread = thread::Builder::new().name(shell.name().to_owned());
                let running = thread.spawn_scoped(scope, move || check(shell));
                (shell, running.expect("a thread starts"))
            })
            .into_iter()
            .filter_map(|(shell, running)| running.join().is_err().then(|| shell.name()))
            .collect()
    });
    assert!(failed.is_empty(), "failed under {}", failed.join(" and "));
}

pub struct Container {
    pub shell: Shell,
    directory: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    real_sleep: bool,
}

impl Container {
    pub fn new(shell: Shell) -> Self {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("container-{}-{number}", process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        for within in ["home", "answers", "tickets"] {
            fs::create_dir_all(directory.join(within)).expect("a directory can be made");
        }

        let outer_path = std::env::var("PATH").unwrap_or_default();
        let sleep = find_program("sleep").expect("sleep is on PATH");
        let mut container = Self {
            shell,
            directory,
            environment: BTreeMap::new(),
            real_sleep: false,
        };
        let path = format!("{}:{outer_path}", stand_ins().display());
        container.set("PATH", path);
        container.set("HOME", container.path("home"));
        container.set("TVSI_TEST_DIR", container.directory.clone());
        container.set("TVSI_TEST_SLEEP", sleep);
        container.write("log", "");
        container
    }

    pub fn set(&mut self, variable: impl Into<OsString>, value: impl Into<OsString>) {
        self.environment.insert(variable.into(), value.into());
    }

    pub fn unset_all(&mut self) {
        self.environment.clear();
    }

    pub fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.environment
    }

    /// Shell commands that `vault`, `consul-template` and `application` carry out once they have
    /// noted how they were called.
    pub fn program_does(&mut self, commands: &str) {
        self.set("TVSI_TEST_PROGRAM", commands);
    }

    pub fn revocation_does(&mut self, commands: &str) {
        self.set("TVSI_TEST_REVOCATION", commands);
    }

    /// A sleep of one of these lengths goes on until [`Self::let_one_sleeper_go`]; without this,
    /// every sleep is over soon.
    pub fn hold_sleeps_of(&mut self, seconds: &str) {
        self.set("TVSI_TEST_HELD", seconds);
    }

    pub fn let_one_sleeper_go(&self, seconds: &str) {
        let ticket = (1..)
            .map(|number| format!("tickets/{seconds}.{number}"))
            .find(|ticket| !self.has(ticket))
            .expect("numbers do not run out");
        self.write(&ticket, "");
    }

    pub fn sleep_for_real(&mut self) {
        self.real_sleep = true;
        self.set("TVSI_TEST_SLEEP_FOR_REAL", "yes");
    }

    /// Leaves nothing on `PATH` but the stand-ins and these programs.
    pub fn has_only(&mut self, programs: &[&str]) {
        let bin = self.directory.join("bin");
        fs::create_dir(&bin).expect("a directory can be made");
        for program in programs {
            let target = find_program(program).unwrap_or_else(|| panic!("no {program} on PATH"));
            std::os::unix::fs::symlink(target, bin.join(program)).expect("a link can be made");
        }
        let path = format!("{}:{}", stand_ins().display(), bin.display());
        self.set("PATH", path);
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    pub fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.directory.join(name), content).expect("a file can be written");
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        String::from_utf8(self.read_bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub fn read_bytes(&self, name: &str) -> Vec<u8> {
        match fs::read(self.directory.join(name)) {
            Ok(content) => content,
            Err(error) => panic!("{name}: {error}\n{}", self.what_happened()),
        }
    }

    /// What the stand-ins noted, in order.
    pub fn log(&self) -> Vec<String> {
        self.read("log").lines().map(str::to_owned).collect()
    }

    /// The log without the sleeps, except those of `seconds`.
    pub fn log_with_sleeps_of(&self, seconds: &str) -> Vec<String> {
        let mut log = self.log();
        log.retain(|line| match line.split_once(' ') {
            Some(("sleep" | "slept", length)) => length == seconds,
            _ => true,
        });
        log
    }

    /// The log without the sleeps.
    pub fn log_of_programs(&self) -> Vec<String> {
        self.log_with_sleeps_of("none")
    }

    pub fn times_logged(&self, line: &str) -> usize {
        self.log().iter().filter(|logged| *logged == line).count()
    }

    #[track_caller]
    pub fn wait_for_log(&self, line: &str) {
        self.wait_for_log_again(line, 0);
    }

    /// Waits until `line` has been logged more than `times`.
    #[track_caller]
    pub fn wait_for_log_again(&self, line: &str, times: usize) {
        self.wait_until(&format!("the log has {line:?}"), || {
            self.times_logged(line) > times
        });
    }

    #[track_caller]
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(
                start.elapsed() < DEADLINE,
                "it never came that {what}\n{}",
                self.what_happened()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The arguments that a program got.
    #[track_caller]
    pub fn arguments(&self) -> Vec<String> {
        let arguments = self.read("arguments");
        arguments
            .split_terminator('\0')
            .map(str::to_owned)
            .collect()
    }

    /// What was written to standard error.
    pub fn messages(&self) -> String {
        let messages = fs::read(self.directory.join("messages")).unwrap_or_default();
        String::from_utf8_lossy(&messages).into_owned()
    }

    fn what_happened(&self) -> String {
        let messages = self.messages();
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        format!(
            "under {}\n--- log\n{log}--- messages\n{messages}---",
            self.shell.name()
        )
    }

    /// Runs a script as the pod's container would: `sh -c SCRIPT NAME ARGUMENT...`
    pub fn run<A: AsRef<str>>(&self, script: &str, arguments: &[A]) -> Running<'_> {
        self.run_after("", script, arguments)
    }

    /// The same with shell commands before the script.
    pub fn run_after<A: AsRef<str>>(
        &self,
        commands: &str,
        script: &str,
        arguments: &[A],
    ) -> Running<'_> {
        let mut text = format!("{commands}\n{}", text_of(script));
        // Debian's busybox takes its own programs before those on PATH, but a function before them.
        if self.shell == Shell::Busybox && !self.real_sleep {
            for program in ["date", "sleep"] {
                let path = stand_ins().join(program);
                text = format!("{program}() {{ '{}' \"$@\"; }}\n{text}", path.display());
            }
        }

        let mut command = self.shell.command();
        command.arg("-c").arg(text).arg(script);
        command.args(arguments.iter().map(AsRef::as_ref));
        // A sidecar that gets the job's signal has what it does about it in its environment.
        let has_signal = arguments.iter().any(|it| it.as_ref().ends_with("/signal"));
        let job = has_signal.then(|| ("TVSI_JOB", text_of("job.sh")));
        self.start_with(command, job)
    }

    pub fn start(&self, command: Command) -> Running<'_> {
        self.start_with(command, None)
    }

    fn start_with(&self, mut command: Command, variable: Option<(&str, String)>) -> Running<'_> {
        let (mut output, command_output) = io::pipe().expect("a pipe can be made");
        let messages = File::create(self.directory.join("messages")).expect("a file can be made");
        let started = command
            .env_clear()
            .envs(&self.environment)
            .envs(variable)
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(command_output)
            .stderr(messages)
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => panic!("{}: {error}", command.get_program().display()),
        };
        // It holds an end of the pipe.
        drop(command);

        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.read_to_end(&mut bytes);
            sender.send(read.map(|_| bytes))
        });
        Running {
            container: self,
            child,
            output: receiver,
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

pub struct Running<'a> {
    container: &'a Container,
    child: Child,
    output: Receiver<io::Result<Vec<u8>>>,
}

impl Running<'_> {
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&self, signal: &str) {
        send(signal, &self.child.id().to_string());
    }

    #[track_caller]
    pub fn status(&mut self) -> ExitStatus {
        let mut status = None;
        self.container.wait_until("the script ends", || {
            status = self.child.try_wait().expect("the shell can be waited for");
            status.is_some()
        });
        status.expect("it was waited for")
    }

    #[track_caller]
    pub fn ends_with(&mut self, code: i32) {
        let status = self.status();
        assert_eq!(
            status.code(),
            Some(code),
            "{status}\n{}",
            self.container.what_happened()
        );
    }

    /// Waits until nothing is left that could write to the script's standard output, which is every
    /// program that it has started, except its own timers, and returns what was written.
    #[track_caller]
    pub fn output_when_all_has_ended(&self) -> String {
        let Ok(output) = self.output.recv_timeout(DEADLINE) else {
            panic!(
                "a program outlives the script\n{}",
                self.container.what_happened()
            );
        };
        String::from_utf8(output.expect("the output can be read")).expect("the output is text")
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        send("KILL", &format!("-{}", self.child.id()));
        let _ = self.child.wait();
    }
}

fn send(signal: &str, target: &str) {
    let kill = Command::new("sh")
        .args([
            "-c",
            r#"kill "-$1" "$2" 2>/dev/null"#,
            "kill",
            signal,
            target,
        ])
        .status();
    kill.expect("sh is on PATH");
}

pub fn stand_in(name: &str) -> PathBuf {
    stand_ins().join(name)
}

pub fn text_of(script: &str) -> String {
    fs::read_to_string(Path::new(SCRIPTS).join(script)).expect("a script can be read")
}

pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// The folder of the stand-ins. It is complete before the first process of this one is started: a
/// process that inherits a file open for writing makes running the file fail.
fn stand_ins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand-ins");
        fs::create_dir_all(&folder).expect("a directory can be made");
        for (name, text) in STAND_INS {
            // Another run of these tests may be using the file.
            let new = folder.join(format!("{name}.{}", process::id()));
            fs::write(&new, text).expect("a file can be written");
            fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("it is ours");
            fs::rename(&new, folder.join(name)).expect("a file can be renamed");
        }
        folder
    })
}
