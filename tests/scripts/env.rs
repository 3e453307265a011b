//! env.sh as it runs in a pod: a container's command has become a copy of busybox that starts it, and
//! the image has programs of its own. Needs busybox only: there is no other shell to test it under.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::AWKWARD_ARGUMENTS;
use crate::container::{Container, Running, Shell, find_program, stand_in, text_of};

/// What env-init.sh has brought.
const DIRECTORY: &str = "tvsi-env";
const BUSYBOX: &str = "tvsi-env/busybox";
/// The image's own shell, which the application of these tests is.
const SHELL: &str = "image/bin/sh";

/// Has the application write down what it was started as. Its last command is not one that the shell would
/// become.
const NOTE_HOW_IT_WAS_STARTED: &str = "
image/bin/cat /proc/$$/environ >environment
image/bin/cat /proc/$$/cmdline >command
image/bin/readlink /proc/$$/exe >program
:";

/// What a value would run, if it were evaluated, makes this file. A shell needs no program for it.
const CANARY: &str = "canary";

/// What is said of a line must not have this, if the line has it.
const HIDDEN: &str = "hidden";

type Environment = BTreeMap<OsString, OsString>;

/// A container that gets its secrets as environment variables.
struct Pod {
    container: Container,
    denied: Vec<&'static str>,
    options: Vec<String>,
    files: Vec<String>,
}

/// What the application was started as.
struct Started {
    environment: Environment,
    program: String,
}

impl Pod {
    fn new() -> Self {
        let mut container = Container::new(Shell::Busybox);
        for directory in [DIRECTORY, "image", "image/bin"] {
            fs::create_dir(container.path(directory)).expect("a directory can be made");
        }
        bring_shell(&container, &[]);
        for applet in ["sh", "cat", "grep", "ls", "readlink", "sleep"] {
            let program = container.path(&format!("image/bin/{applet}"));
            fs::hard_link(container.path(BUSYBOX), program).expect("a link can be made");
        }
        container.unset_all();
        container.set("PATH", container.path("image/bin"));
        Self {
            container,
            denied: Vec::new(),
            options: Vec::new(),
            files: Vec::new(),
        }
    }

    fn with_file(content: impl AsRef<[u8]>) -> Self {
        let mut pod = Self::new();
        pod.add_file(content);
        pod
    }

    fn add_file(&mut self, content: impl AsRef<[u8]>) {
        let name = format!("secrets {}", self.files.len() + 1);
        self.container.write(&name, content);
        self.files.push(self.container.path(&name));
    }

    fn with_denied(mut self, patterns: &[&'static str]) -> Self {
        self.denied.extend_from_slice(patterns);
        bring_shell(&self.container, &self.denied);
        self
    }

    fn with_options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|it| (*it).to_owned()));
        self
    }

    fn with_own(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.container.set(variable, value);
        self
    }

    fn run(&self, command: &[&str]) -> Running<'_> {
        for note in ["environment", "command", "program"] {
            let _ = fs::remove_file(self.container.path(note));
        }
        let mut shell = Command::new(self.container.path(BUSYBOX));
        shell.args(["sh", &self.container.path("tvsi-env/env.sh")]);
        shell.args(&self.options).args(&self.files).arg("--");
        shell.args(command);
        self.container.start(shell)
    }

    #[track_caller]
    fn start(&self) -> Started {
        self.start_as(&self.container.path(SHELL), &[])
    }

    /// Starts the application by a command that begins with the word `shell` and ends with `arguments`,
    /// which must both arrive as they are.
    #[track_caller]
    fn start_as(&self, shell: &str, arguments: &[&str]) -> Started {
        let command = [&[shell, "-c", NOTE_HOW_IT_WAS_STARTED], arguments].concat();
        self.run(&command).ends_with(0);
        let arrived = self.container.read_bytes("command");
        let arrived: Vec<&OsStr> = strings(&arrived).collect();
        assert_eq!(arrived, command);
        assert!(!self.container.has(CANARY), "something was evaluated");

        let mut environment = Environment::new();
        for variable in strings(&self.container.read_bytes("environment")) {
            let bytes = variable.as_bytes();
            let end = bytes.iter().position(|&byte| byte == b'=');
            let (name, value) = bytes.split_at(end.expect("a variable has a value"));
            let before = environment.insert(os_string(name), os_string(&value[1..]));
            assert!(before.is_none(), "{variable:?} is there twice");
        }
        Started {
            environment,
            program: self.container.read("program").trim_end().to_owned(),
        }
    }

    /// The application is started with the variables that it has anyway and with these, byte for byte,
    /// and with no others.
    #[track_caller]
    fn gives<V: AsRef<[u8]>>(&self, secrets: &[(&str, V)]) {
        let mut expected = self.container.environment().clone();
        for (name, value) in secrets {
            expected.insert(name.into(), os_string(value.as_ref()));
        }
        let environment = self.start().environment;
        let names: BTreeSet<&OsString> = environment.keys().chain(expected.keys()).collect();
        for name in names {
            let (value, expected) = (environment.get(name), expected.get(name));
            if value != expected {
                let [value, expected] = [value, expected].map(|value| format!("{value:?}"));
                panic!("{name:?} is {value:.300}, not {expected:.300}");
            }
        }
    }

    /// These lines, given with the number of their file, have been reported as skipped, and none else;
    /// what is in them has not.
    #[track_caller]
    fn has_skipped(&self, lines: &[(usize, usize)]) {
        let messages = self.container.messages();
        let reported: Vec<&str> = messages.lines().collect();
        assert_eq!(reported.len(), lines.len(), "{messages}");
        for (reported, (file, line)) in reported.iter().zip(lines) {
            let skipped = format!("line {line} of {} is skipped", self.files[file - 1]);
            assert!(
                reported.contains(&skipped),
                "{skipped:?} is not in {reported:?}"
            );
        }
        assert!(!messages.contains(HIDDEN), "{messages}");
    }
}

/// Runs the init container of the pod that `container` is in.
fn bring_shell(container: &Container, denied: &[&str]) {
    let of_shell = [
        "_tvsi_*", "IFS", "OPTIND", "PPID", "LINENO", "PWD", "OLDPWD", "SHLVL",
    ];
    let mut init = Container::new(Shell::Busybox);
    init.set("TVSI_ENV_SCRIPT", text_of("env.sh"));
    let busybox = find_program("busybox").map(|path| path.display().to_string());
    let busybox = busybox.expect("busybox is on PATH: install the package busybox-static");
    let directory = container.path(DIRECTORY);
    let arguments = [&[busybox.as_str(), &directory], &of_shell[..], denied].concat();
    init.run("env-init.sh", &arguments).ends_with(0);
}

fn strings(terminated: &[u8]) -> impl Iterator<Item = &OsStr> {
    let strings = terminated.split_inclusive(|&byte| byte == 0);
    strings.map(|string| OsStr::from_bytes(string.strip_suffix(b"\0").expect("it ends")))
}

fn os_string(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// As the default template for the environment writes a pair.
fn as_the_template_writes<V: AsRef<[u8]>>(pairs: &[(&str, V)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, value) in pairs {
        file.extend(name.as_bytes());
        file.push(b'=');
        for &byte in value.as_ref() {
            file.push(byte);
            if byte == b'\n' {
                file.push(1);
            }
        }
        file.push(b'\n');
    }
    file
}

fn evaluated_by_a_careless_script() -> Vec<String> {
    let make = format!(": >{CANARY}");
    vec![
        format!("$({make})"),
        format!("`{make}`"),
        format!("; {make};"),
        format!("'; {make}; '"),
        format!("\"; {make}; \""),
        format!("\\\"; {make}; \\\""),
        format!("${{x:=$({make})}}"),
        format!("$(({CANARY}=1))"),
        format!("&& {make} ||"),
        format!("<(: >{CANARY}) >{CANARY}"),
    ]
}

#[test]
fn hostile_values_arrive_byte_for_byte_and_are_never_evaluated() {
    let mut values = evaluated_by_a_careless_script();
    values.extend(
        [
            "",
            " ",
            "  spaces at both ends  ",
            "\ttabs\tat both ends\t",
            "=",
            "==a=b=",
            "'",
            "\"",
            "\"quoted\"",
            "'quoted'",
            "it's",
            "\\",
            "trailing backslash\\",
            "\\n\\t\\0101\\x41\\c\\\\",
            "%s%d%n%%",
            "*",
            "? [a-z] ~ {a,b} !! #no-comment",
            "-n",
            "--",
            "$HOME $$ $! ${PATH} $1 $@ $",
            "carriage\rreturn\r",
            "\u{1}\u{2}\u{7f}\u{1b}[31m",
            "né ☃ 🦀",
            "export OTHER=1",
        ]
        .map(str::to_owned),
    );
    let mut values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
    // Shells mark bytes of their own with the values that some of these have.
    values.push((1..=255).filter(|&byte| byte != b'\n').collect());
    values.push(b"\xff\xfe not \xc3 UTF-8 \x80\xf0\x9f".to_vec());
    let pairs: Vec<(String, Vec<u8>)> = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| (format!("SECRET_{index}"), value))
        .collect();
    let pairs: Vec<(&str, &[u8])> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let pod = Pod::with_file(as_the_template_writes(&pairs));
    pod.gives(&pairs);
    pod.has_skipped(&[]);
}

#[test]
fn a_value_of_100_kilobytes_arrives() {
    let value = "0123456789 \\ $(x) ".repeat(100_000 / 18);
    let pod = Pod::with_file(format!("LONG={value}\nNEXT=1\n"));
    pod.gives(&[("LONG", value.as_str()), ("NEXT", "1")]);
}

#[test]
fn a_value_too_long_for_any_environment_fails_without_being_shown() {
    let pod = Pod::with_file(format!("LONG={}\n", HIDDEN.repeat(140_000 / HIDDEN.len())));
    let command = [&pod.container.path(SHELL), "-c", NOTE_HOW_IT_WAS_STARTED];
    let status = pod.run(&command).status();
    assert!(!status.success(), "{status}");
    assert!(!pod.container.has("environment"), "the application started");
    let messages = pod.container.messages();
    assert!(
        !messages.is_empty() && !messages.contains(HIDDEN),
        "{messages:.300}"
    );
}

#[test]
fn line_breaks_in_values_arrive_as_the_default_template_writes_them() {
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n",
        "MIIBszCCAVmgAwIBAgIUJ+/==0123456789abcdefghijklmnopqrstuvwxyzABCD\n".repeat(60)
    );
    let pairs = [
        ("CERTIFICATE", certificate.as_str()),
        ("TWO_LINES", "first\nsecond"),
        ("ENDS_WITH_ONE", "first\n"),
        ("ENDS_WITH_SOME", "first\n\n\n"),
        ("BEGINS_WITH_ONE", "\nlast"),
        ("ONLY_ONE", "\n"),
        ("ONLY_LINE_BREAKS", "\n\n\n\n"),
        ("BLANK_LINES", "first\n\n \n\t\nlast"),
        (
            "LIKE_PAIRS",
            "first\nLIKE_PAIRS=2\n  INDENTED=3\nPATH=/evil\n",
        ),
        ("LIKE_COMMENTS", "# one\n# two\n  # three"),
        (
            "LINES_BEGIN_WITH_1",
            "\u{1}first\n\u{1}second\n\u{1}\u{1}third\n\u{1}\n",
        ),
        ("LINES_END_WITH_1", "first\u{1}\nsecond\u{1}\n"),
        ("LINES_END_WITH_BACKSLASH", "first\\\nsecond\\\n"),
        ("WINDOWS", "first\r\nsecond\r\n"),
        ("SPACES_AT_ENDS", "  first  \n  second  \n  "),
        ("EVALUATED", "$(\n: >canary\n)\n`\n: >canary\n`"),
        ("LAST", "x"),
    ];
    let pod = Pod::with_file(as_the_template_writes(&pairs)).with_denied(&["PATH"]);
    pod.gives(&pairs);
    pod.has_skipped(&[]);
}

#[test]
fn the_last_line_needs_no_line_break() {
    for (file, secrets) in [
        ("A=1\nB=2", [("A", "1"), ("B", "2")]),
        ("A=1\nB=2 \\", [("A", "1"), ("B", "2 \\")]),
        ("A=1\nB=", [("A", "1"), ("B", "")]),
        ("A=1\nB=2\n\u{1}3", [("A", "1"), ("B", "2\n3")]),
        ("A=1\nB=2\n\u{1}", [("A", "1"), ("B", "2\n")]),
    ] {
        println!("{file:?}");
        let mut pod = Pod::with_file(file);
        pod.add_file("C=3");
        pod.gives(&[&secrets[..], &[("C", "3")]].concat());
        pod.has_skipped(&[]);
    }
}

#[test]
fn files_that_have_no_pair_give_nothing() {
    for file in ["", "\n", "\n\n\n", " ", "\t \n", "# nothing", "#\n#=\n"] {
        println!("{file:?}");
        let pod = Pod::with_file(file);
        pod.gives::<&str>(&[]);
        pod.has_skipped(&[]);
    }
}

#[test]
fn blank_lines_and_comments_are_passed_over_and_indents_do_not_count() {
    let pod = Pod::with_file(
        "# A=comment\n\nA=1\n   \n#B=comment\n \t # B=comment\n  B=2\n\t\tC= 3 \n\t\n \tD=#4 # 4\n",
    );
    pod.gives(&[("A", "1"), ("B", "2"), ("C", " 3 "), ("D", "#4 # 4")]);
    pod.has_skipped(&[]);
}

#[test]
fn carriage_returns_at_the_ends_of_lines_belong_to_the_values() {
    let pod = Pod::with_file("A=1\r\n# comment\r\nB=\r\n  C= 3\r\r\nD=4");
    pod.gives(&[("A", "1\r"), ("B", "\r"), ("C", " 3\r\r"), ("D", "4")]);
    pod.has_skipped(&[]);
}

#[test]
fn lines_that_are_not_pairs_are_skipped_and_reported_by_number_and_file() {
    let mut pod =
        Pod::with_file("hidden\nA=1\n\n  hidden hidden \\\n\thidden: 1\nB=2\n$(: >canary)hidden");
    pod.add_file("C=3\nhidden %s\n");
    pod.gives(&[("A", "1"), ("B", "2"), ("C", "3")]);
    pod.has_skipped(&[(1, 1), (1, 4), (1, 5), (1, 7), (2, 2)]);
}

#[test]
fn names_that_no_variable_can_have_are_skipped_and_reported() {
    let mut names = evaluated_by_a_careless_script();
    // A name ends at the first =.
    names.retain(|name| !name.contains('='));
    names.extend(
        [
            "1hidden",
            "1",
            "hidden-name",
            "hidden.name",
            "hidden name",
            "hidden ",
            "export hidden",
            "-n hidden",
            "-hidden",
            "hidden\t",
            "hiddené",
            "é",
            "hidden[1]",
            "hidden;reboot",
            "hidden\u{1}",
            "hidden\r",
            "hidden+",
            "*",
            "?",
            "%s",
            "\\",
            "$PATH",
            "'hidden'",
            "\"hidden\"",
        ]
        .map(str::to_owned),
    );
    let mut lines: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
    lines.extend([b"".to_vec(), b"  ".to_vec(), b"hidden\xff".to_vec()]);
    for line in &mut lines {
        line.extend(b"=hidden\n");
    }
    let expected: Vec<(usize, usize)> = (1..=lines.len()).map(|number| (1, number)).collect();
    lines.push(b"_a9_Z=1\n".to_vec());
    for locale in ["", "C.UTF-8", "en_US.UTF-8"] {
        let pod = Pod::with_file(lines.concat()).with_own("LC_ALL", locale);
        pod.gives(&[("_a9_Z", "1")]);
        pod.has_skipped(&expected);
    }
}

#[test]
fn denied_names_are_skipped_and_reported() {
    let file = "PATH=hidden\nLD_PRELOAD=hidden\n LD_=hidden\nFREE=1\nMY_PATH=2\nPATHS=3\nLD=4\nldx=5\n\
        A_TOKEN=hidden\n_TOKEN=hidden\nTOKEN=6\nA_TOKENS=7\nMID_x_DLE=hidden\nMID_DLE=8\n";
    let pod = Pod::with_file(file).with_denied(&["PATH", "LD_*", "*_TOKEN", "MID_*_DLE"]);
    // As files, these must not come in the place of the patterns.
    for name in ["LD_no", "no_TOKEN", "MID_no_DLE"] {
        pod.container.write(name, "");
    }
    pod.gives(&[
        ("FREE", "1"),
        ("MY_PATH", "2"),
        ("PATHS", "3"),
        ("LD", "4"),
        ("ldx", "5"),
        ("TOKEN", "6"),
        ("A_TOKENS", "7"),
        ("MID_DLE", "8"),
    ]);
    pod.has_skipped(&[(1, 1), (1, 2), (1, 3), (1, 9), (1, 10), (1, 13)]);
}

/// As the settings may have them, and as a file could: what ends lines, or does not end the last.
#[test]
fn denied_names_are_read_to_the_last() {
    for denied in ["B\nLD_*", "B LD_*\n", "\n\n B \tLD_*", "B\n\nLD_*\n\n"] {
        println!("{denied:?}");
        let pod = Pod::with_file("A=1\nB=hidden\nLD_PRELOAD=hidden\n_tvsi_denied=hidden\n");
        pod.container.write("tvsi-env/denied-names", denied);
        pod.gives(&[("A", "1")]);
        pod.has_skipped(&[(1, 2), (1, 3), (1, 4)]);
    }
}

#[test]
fn without_the_denied_names_the_application_does_not_start() {
    let pod = Pod::with_file("LD_PRELOAD=hidden\n").with_denied(&["LD_*"]);
    let denied = pod.container.path("tvsi-env/denied-names");
    let command = [&pod.container.path(SHELL), "-c", NOTE_HOW_IT_WAS_STARTED];
    fs::remove_file(&denied).expect("it is there");
    for is_directory in [false, true] {
        if is_directory {
            fs::create_dir(&denied).expect("a directory can be made");
        }
        pod.run(&command).ends_with(1);
        let messages = pod.container.messages();
        assert!(messages.contains(&denied), "{messages}");
        assert!(!messages.contains(HIDDEN), "{messages}");
        assert!(!pod.container.has("environment"), "the application started");
    }
}

#[test]
fn the_shell_can_be_brought_again_beside_an_application() {
    let pod = Pod::with_file("A=1\n").with_denied(&["LD_*"]);
    let mut application = pod.run(&["sh", "-c", "until [ -e go ]; do sleep 0.02; done"]);
    bring_shell(&pod.container, &["LD_*"]);
    pod.container.write("go", "");
    application.ends_with(0);
    pod.gives(&[("A", "1")]);
}

#[test]
fn where_everything_is_denied_nothing_is_given() {
    let pod = Pod::with_file("A=hidden\nPATH=hidden\n").with_denied(&["*"]);
    pod.gives::<&str>(&[]);
    pod.has_skipped(&[(1, 1), (1, 2)]);
}

#[test]
fn names_of_the_script_s_own_variables_are_skipped_and_reported() {
    let text = text_of("env.sh");
    let names: BTreeSet<&str> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("_tvsi_") && *word != "_tvsi_")
        .collect();
    assert!(
        names.contains("_tvsi_denied") && names.len() > 5,
        "{names:?}"
    );
    for value in ["hidden", "", "*", "-- hidden"] {
        let lines: Vec<String> = names
            .iter()
            .map(|name| format!("{name}={value}\n"))
            .collect();
        let pod = Pod::with_file(lines.concat() + "PATH=hidden\nA=1\n").with_denied(&["PATH"]);
        pod.gives(&[("A", "1")]);
        let numbers: Vec<(usize, usize)> = (1..=names.len() + 1).map(|line| (1, line)).collect();
        pod.has_skipped(&numbers);
    }
}

#[test]
fn what_continues_a_line_that_is_skipped_is_skipped_with_it() {
    let pod = Pod::with_file(
        "\u{1}before everything\nA=1\nPATH=hidden\n\u{1}hidden\n\u{1}B=hidden\nB=2\n\u{1}and\n\
        no-name=hidden\n\u{1}C=hidden\nC=3\nno pair hidden\n\u{1}D=hidden\nD=4\n# comment\n\
        \u{1}hidden\nE=5\n\n\u{1}hidden\nF=6\n\u{1}\n",
    )
    .with_denied(&["PATH"]);
    pod.gives(&[
        ("A", "1"),
        ("B", "2\nand"),
        ("C", "3"),
        ("D", "4"),
        ("E", "5"),
        ("F", "6\n"),
    ]);
    pod.has_skipped(&[(1, 3), (1, 8), (1, 11)]);
}

#[test]
fn a_file_does_not_continue_the_one_before_it() {
    let mut pod = Pod::with_file("A=1\n");
    pod.add_file("\u{1}2\nB=3\n");
    pod.add_file("\u{1}4");
    pod.gives(&[("A", "1"), ("B", "3")]);
}

/// A shell sets these itself or acts on them, some only if it is interactive.
const NAMES_THAT_SHELLS_KNOW: [&str; 47] = [
    "BASH",
    "BASHPID",
    "BASH_ENV",
    "CDPATH",
    "COLUMNS",
    "ENV",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FPATH",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "HISTCONTROL",
    "HISTFILE",
    "HISTFILESIZE",
    "HISTSIZE",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LINES",
    "LOGNAME",
    "MAIL",
    "MAILCHECK",
    "MAILPATH",
    "OPTARG",
    "OPTERR",
    "PIPESTATUS",
    "POSIXLY_CORRECT",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "RANDOM",
    "REPLY",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "TERM",
    "TMOUT",
    "UID",
    "USER",
    "_",
];

/// What the shell takes over: it keeps them for itself, or sets them anew.
const NAMES_THAT_THE_SHELL_KEEPS: [&str; 6] =
    ["LINENO", "OLDPWD", "OPTIND", "PPID", "PWD", "SHLVL"];

const VALUES_FOR_THEM: [&str; 7] = [
    "abc",
    "",
    "1",
    "-1",
    "99999999999999999999",
    "$(: >canary)",
    "/",
];

#[test]
fn names_that_shells_know_are_secrets_like_others() {
    for value in VALUES_FOR_THEM {
        println!("{value:?}");
        let pairs = NAMES_THAT_SHELLS_KNOW.map(|name| (name, value));
        let mut file = as_the_template_writes(&pairs);
        file.extend(b"DENIED=hidden\nLAST=1");
        let pod = Pod::with_file(file).with_denied(&["DENIED"]);
        pod.gives(&[&pairs[..], &[("LAST", "1")]].concat());
        pod.has_skipped(&[(1, pairs.len() + 1)]);
    }
}

#[test]
fn names_that_the_shell_keeps_are_skipped_and_reported() {
    for value in VALUES_FOR_THEM {
        println!("{value:?}");
        let pairs = NAMES_THAT_THE_SHELL_KEEPS.map(|name| (name, value));
        let mut file = as_the_template_writes(&pairs);
        file.extend(b"A=1");
        let pod = Pod::with_file(file);
        pod.gives(&[("A", "1")]);
        let numbers: Vec<(usize, usize)> = (1..=pairs.len()).map(|line| (1, line)).collect();
        pod.has_skipped(&numbers);
    }
}

/// Whether it is skipped or arrives: the settings may leave it out of the names denied.
#[test]
fn a_secret_named_ifs_changes_nothing_for_the_others() {
    for value in ["x", "", "_", "1", " ", "*"] {
        println!("{value:?}");
        let file =
            format!("IFS={value}\nLD_PRELOAD=hidden\nPATH=hidden\nexactly=1\nSHLVL=hidden\n");
        let pod = Pod::with_file(file).with_denied(&["LD_*", "PATH"]);
        let mut environment = pod.start_as("sh", &[]).environment;
        if let Some(arrived) = environment.remove(OsStr::new("IFS")) {
            assert_eq!(arrived, value);
        }
        let mut expected = pod.container.environment().clone();
        expected.insert("exactly".into(), "1".into());
        assert_eq!(environment, expected);
    }
}

#[test]
fn of_two_values_for_a_name_the_later_counts() {
    let mut pod = Pod::with_file("A=1\nB=1\nB=2\nC=1\nD=1\n\u{1}1\nD=2\n");
    pod.add_file("C=2\nE=1\n");
    pod.add_file("E=\n");
    pod.gives(&[("A", "1"), ("B", "2"), ("C", "2"), ("D", "2"), ("E", "")]);
    pod.has_skipped(&[]);
}

#[test]
fn without_files_the_application_starts_as_it_is() {
    Pod::new().gives::<&str>(&[]);
}

#[test]
fn a_missing_file_is_named_and_the_application_does_not_start() {
    for missing in 0..3 {
        let mut pod = Pod::new();
        for _ in 0..3 {
            pod.add_file("A=hidden\n");
        }
        let file = pod.files[missing].clone();
        fs::remove_file(&file).expect("it is there");
        let command = [&pod.container.path(SHELL), "-c", NOTE_HOW_IT_WAS_STARTED];
        pod.run(&command).ends_with(1);
        let messages = pod.container.messages();
        assert!(messages.contains(&file), "{messages}");
        assert!(!messages.contains(HIDDEN), "{messages}");
        assert!(!pod.container.has("environment"), "the application started");
    }
}

#[test]
fn a_directory_is_not_a_file_and_the_application_does_not_start() {
    let mut pod = Pod::new();
    pod.files.push(pod.container.path("image"));
    let command = [&pod.container.path(SHELL), "-c", NOTE_HOW_IT_WAS_STARTED];
    pod.run(&command).ends_with(1);
    assert!(!pod.container.has("environment"), "the application started");
}

#[test]
fn the_application_keeps_its_own_variables() {
    let mut pod = Pod::with_file("SECRET=1\n").with_denied(&["DENIED"]);
    for name in NAMES_THAT_SHELLS_KNOW {
        pod.container.set(name, "abc");
    }
    for (name, value) in [
        ("APPLICATION_S", "its own"),
        ("DENIED", "denied as a secret only"),
        ("EMPTY", ""),
        ("LINES_", "first\nSECRET=2\n\u{1}third\n\n"),
        ("QUOTES", "it's \"quoted\" \\"),
        ("SUBSTITUTED", "$(: >canary) `: >canary` $PATH"),
        ("LINENO", "7"),
        ("OLDPWD", "/before"),
        // Such as scripts use.
        ("line", "1"),
        ("name", "2"),
        ("value", "3"),
        ("path", "4"),
        ("command", "5"),
        ("file", "6"),
        ("pattern", "7"),
        ("denied", "8"),
        ("n", "9"),
        ("i", "10"),
    ] {
        pod.container.set(name, value);
    }
    pod.container.set("NO_UTF_8", os_string(b"\xff\xfe\x80"));
    pod.container.set("LONG", "y".repeat(100_000));
    pod.gives(&[("SECRET", "1")]);
}

const NAMES_NOT_FOR_SHELLS: [&str; 15] = [
    "my.var",
    "spring.datasource.url",
    "a-b",
    "1st",
    "a b",
    " ",
    "é",
    "*",
    "%s",
    ":",
    "$(: >canary)",
    "`: >canary`",
    "\\",
    "'",
    "a\"b",
];

#[test]
fn the_application_keeps_variables_whose_names_are_not_for_shells() {
    let values: [&[u8]; 9] = [
        b"",
        b"jdbc:postgresql://db/orders?user=a&b=c",
        b"=",
        b" two  words ",
        b"line\nbreaks\n\n",
        b"$(: >canary) `: >canary` $PATH \\ ' \"",
        b"\xff\xfe",
        b"-i",
        b"%s *",
    ];
    for value in values {
        let mut pod = Pod::with_file("SECRET=1\nPATH=/evil\n").with_denied(&["PATH"]);
        for name in NAMES_NOT_FOR_SHELLS {
            pod.container.set(name, os_string(value));
        }
        pod.gives(&[("SECRET", "1")]);
    }
}

/// Kubernetes admits them.
#[test]
fn the_application_keeps_variables_whose_names_are_like_options() {
    for name in ["-", "--", "-i", "-u", "-0", "-my.var", "--unset"] {
        println!("{name}");
        Pod::with_file("SECRET=1\n")
            .with_own(name, "value")
            .gives(&[("SECRET", "1")]);
    }
}

#[test]
fn variables_whose_names_are_not_for_shells_change_neither_program_nor_arguments() {
    let pod = Pod::with_file("A=1\n").with_own("my.var", "1");
    let arguments = [&AWKWARD_ARGUMENTS[..], &["my.var=3", "-i", "A=1"]].concat();
    for shell in [&pod.container.path(SHELL), SHELL, "sh"] {
        println!("{shell}");
        pod.run(&[&[shell, "-c", NOTE_HOW_IT_WAS_STARTED], &arguments[..]].concat())
            .ends_with(0);
        let program = pod.container.read("program");
        assert_eq!(program.trim_end(), pod.container.path(SHELL));
        let command = pod.container.read_bytes("command");
        let command: Vec<&OsStr> = strings(&command).collect();
        assert_eq!(command[3..], arguments);
    }
}

#[test]
fn variables_that_the_shell_would_set_stay_unset() {
    let pod = Pod::new();
    let environment = pod.start().environment;
    for name in [
        "PWD", "OLDPWD", "SHLVL", "IFS", "OPTIND", "PPID", "PS1", "_",
    ] {
        assert_eq!(environment.get(OsStr::new(name)), None, "{name}");
    }
}

#[test]
fn the_application_keeps_its_working_directory_and_level_as_it_has_them() {
    let mut pod = Pod::new();
    let directory = pod.container.path("image");
    let directory = directory.strip_suffix("/image").expect("it is a path");
    let link = pod.container.path("link");
    symlink(directory, &link).expect("a link can be made");
    for (name, value) in [
        ("PWD", directory),
        ("PWD", &link),
        ("SHLVL", "1"),
        ("SHLVL", "3"),
        ("SHLVL", "-1"),
        ("SHLVL", "abc"),
    ] {
        println!("{name}={value}");
        pod.container.set(name, value);
        pod.gives::<&str>(&[]);
    }
}

/// Each is set by the shell when it starts.
#[test]
fn the_application_keeps_what_the_shell_sets_for_itself() {
    for (name, value) in [
        ("IFS", "abc"),
        ("OPTIND", "7"),
        ("PPID", "7"),
        ("PWD", "/elsewhere"),
        ("PWD", ""),
        ("SHLVL", ""),
    ] {
        println!("{name}={value}");
        Pod::new().with_own(name, value).gives::<&str>(&[]);
    }
}

#[test]
fn secrets_override_the_application_s_own_variables() {
    Pod::with_file("A=secret\nB=\nLC_ALL=C\n_=x\n")
        .with_own("A", "own")
        .with_own("B", "own")
        .with_own("LC_ALL", "en_US.UTF-8")
        .with_own("_", "own")
        .with_own("my.var", "own")
        .with_own("OTHER", "own")
        .gives(&[("A", "secret"), ("B", ""), ("LC_ALL", "C"), ("_", "x")]);
}

#[test]
fn arguments_arrive_verbatim() {
    let arguments = [
        &AWKWARD_ARGUMENTS[..],
        &[
            "-n", "-a", "-c", "--", "--", "A=1", "\\", "\n", "*", "image/*", "", "é\u{1}",
        ],
    ]
    .concat();
    let pod = Pod::with_file("A=1\n").with_denied(&["PATH"]);
    pod.start_as(&pod.container.path(SHELL), &arguments);
    pod.start_as("sh", &arguments);
}

/// `start_as` compares the first word too, which is the program's argv[0].
#[test]
fn the_command_is_run_as_it_is_written() {
    let pod = Pod::with_file("A=1\n");
    let directories = ["-dash", "a=b", "two words", "$(: >canary)", "*", "--"];
    for directory in directories {
        fs::create_dir(pod.container.path(directory)).expect("a directory can be made");
        let program = pod.container.path(&format!("{directory}/sh"));
        fs::hard_link(pod.container.path(SHELL), program).expect("a link can be made");
    }
    let program = pod.container.path(SHELL);
    for command in [&program, SHELL, "./image/bin/sh", "image/../image//bin/sh"] {
        assert_eq!(pod.start_as(command, &[]).program, program, "{command}");
    }
    for directory in directories {
        let command = pod.container.path(&format!("{directory}/sh"));
        assert_eq!(pod.start_as(&command, &[]).program, command);
        let relative = format!("./{directory}/sh");
        assert_eq!(pod.start_as(&relative, &[]).program, command);
    }
}

#[test]
fn a_command_in_a_directory_like_an_option_is_run() {
    let pod = Pod::new();
    fs::create_dir(pod.container.path("-c")).expect("a directory can be made");
    let program = pod.container.path("-c/sh");
    fs::hard_link(pod.container.path(SHELL), &program).expect("a link can be made");
    assert_eq!(pod.start_as("-c/sh", &[]).program, program);
}

/// A directory in PATH may be relative, look like an option, or be empty for the working directory.
#[test]
fn a_directory_in_path_is_taken_as_it_is() {
    for (directory, entry) in [("-dir", "-dir"), (".", "")] {
        let mut pod = Pod::new();
        fs::create_dir_all(pod.container.path(directory)).expect("a directory can be made");
        let program = pod.container.path(&format!("{directory}/sh"));
        fs::hard_link(pod.container.path(SHELL), program).expect("a link can be made");
        pod.container.set("PATH", format!("missing:{entry}:other"));
        let program = pod.start_as("sh", &[]).program;
        assert!(!program.contains("/image/"), "{entry}: {program}");
    }
}

#[test]
fn a_command_without_a_slash_is_the_first_program_of_its_name_in_path() {
    let mut pod = Pod::with_file("A=1\n");
    for directory in [
        "empty",
        "directory",
        "directory/sh",
        "text",
        "dangling",
        "two words *",
        "last",
    ] {
        fs::create_dir(pod.container.path(directory)).expect("a directory can be made");
    }
    pod.container.write("text/sh", "no program");
    symlink("nowhere", pod.container.path("dangling/sh")).expect("a link can be made");
    let program = pod.container.path("two words */sh");
    for program in [&program, &pod.container.path("last/sh")] {
        fs::hard_link(pod.container.path(SHELL), program).expect("a link can be made");
    }
    let directories = [
        "missing",
        "empty",
        "directory",
        "text",
        "dangling",
        "two words *",
        "last",
    ];
    let path = directories
        .map(|directory| pod.container.path(directory))
        .join(":");
    pod.container.set("PATH", path);
    assert_eq!(pod.start_as("sh", &[]).program, program);
}

#[test]
fn a_link_in_path_is_a_program() {
    let mut pod = Pod::new();
    fs::create_dir(pod.container.path("links")).expect("a directory can be made");
    symlink(pod.container.path(SHELL), pod.container.path("links/sh")).expect("a link can be made");
    pod.container.set("PATH", pod.container.path("links"));
    assert_eq!(pod.start_as("sh", &[]).program, pod.container.path(SHELL));
}

#[test]
fn a_directory_in_path_may_be_relative() {
    let mut pod = Pod::new();
    pod.container.set("PATH", "missing:image/bin");
    assert_eq!(pod.start_as("sh", &[]).program, pod.container.path(SHELL));
}

#[test]
fn the_image_s_programs_come_before_what_busybox_has_by_their_names() {
    let mut pod = Pod::with_file("A=1\n");
    fs::create_dir(pod.container.path("own")).expect("a directory can be made");
    let path = format!("{}:/usr/bin:/bin", pod.container.path("own"));
    pod.container.set("PATH", path);
    for name in [
        ":",
        "[",
        "ash",
        "busybox",
        "cat",
        "cd",
        "command",
        "echo",
        "env",
        "exec",
        "exit",
        "export",
        "false",
        "if",
        "read",
        "set",
        "sh",
        "sleep",
        "test",
        "true",
        "tvsi_export",
        "tvsi_log",
    ] {
        println!("{name}");
        let program = pod.container.path(&format!("own/{name}"));
        symlink(stand_in("namesake"), &program).expect("a link can be made");
        pod.run(&[name, "-e", "argument"]).ends_with(0);
        let called = pod.container.read_bytes("called");
        assert_eq!(
            strings(&called).collect::<Vec<_>>(),
            [&program, "-e", "argument"]
        );
        fs::remove_file(pod.container.path("called")).expect("it was read");
    }
}

#[test]
fn a_command_that_is_not_there_is_named_and_ends_with_127() {
    for own in ["ORDINARY", "my.var"] {
        let pod = Pod::with_file("A=hidden\n").with_own(own, "hidden");
        let absolute = pod.container.path("no-such-program");
        for command in [
            "no-such-program",
            "no %s\\n program",
            "wc",
            "./no-such-program",
            &absolute,
        ] {
            println!("{command} with {own}");
            pod.run(&[command, "hidden"]).ends_with(127);
            let messages = pod.container.messages();
            assert!(messages.contains(command), "{messages}");
            assert!(!messages.contains(HIDDEN), "{messages}");
        }
    }
}

#[test]
fn a_command_that_is_not_a_program_is_named_and_fails() {
    let pod = Pod::new();
    pod.container.write("text", "no program");
    for command in ["./text", "./image", "/"] {
        println!("{command}");
        let status = pod.run(&[command]).status();
        assert!(!status.success(), "{status}");
        let messages = pod.container.messages();
        assert!(messages.contains(command), "{messages}");
    }
}

#[test]
fn the_application_s_status_is_the_container_s() {
    for own in ["ORDINARY", "my.var"] {
        let pod = Pod::with_file("A=1\n").with_own(own, "1");
        for status in [0, 1, 7, 126, 127, 255] {
            let exit = format!("exit {status}");
            pod.run(&["sh", "-c", &exit]).ends_with(status);
        }
        for (signal, number) in [("TERM", 15), ("KILL", 9)] {
            let kill = format!("kill -{signal} $$");
            let status = pod.run(&["sh", "-c", &kill]).status();
            assert_eq!(status.signal(), Some(number), "{status}");
        }
    }
}

#[test]
fn the_application_is_the_container_s_process_and_gets_its_signals() {
    for own in ["ORDINARY", "my.var"] {
        let pod = Pod::with_file("A=1\n").with_own(own, "1");
        let mut application = pod.run(&[
            "sh",
            "-c",
            "trap 'exit 9' TERM; echo $$ >process; : >ready; while :; do sleep 0.05; done",
        ]);
        pod.container
            .wait_until("the application starts", || pod.container.has("ready"));
        let process = application.process_id().to_string();
        assert_eq!(pod.container.read("process").trim(), process);
        application.send("TERM");
        application.ends_with(9);
    }
}

#[test]
fn the_application_gets_the_files_the_signals_and_the_rest_as_without_the_script() {
    const NOTE_THE_REST: &str = "
        image/bin/ls /proc/$$/fd >rest
        image/bin/readlink /proc/$$/fd/0 >>rest
        image/bin/grep '^Sig[BI]' /proc/$$/status >>rest
        umask >>rest
        image/bin/readlink /proc/$$/cwd >>rest
        :";
    for own in ["ORDINARY", "my.var"] {
        let pod = Pod::with_file("A=1\nB=2\nPATH=/evil").with_denied(&["PATH"]);
        let pod = pod.with_own(own, "1");
        let mut command = Command::new(pod.container.path(SHELL));
        command.args(["-c", NOTE_THE_REST]);
        pod.container.start(command).ends_with(0);
        let without = pod.container.read("rest");
        for part in ["0\n", "/dev/null\n", "SigBlk", "SigIgn", "00"] {
            assert!(without.contains(part), "{without}");
        }

        pod.container.write("rest", "");
        let command = [&pod.container.path(SHELL), "-c", NOTE_THE_REST];
        pod.run(&command).ends_with(0);
        assert_eq!(pod.container.read("rest"), without);
    }
}

mod references {
    use super::*;

    const REFERENCES: [&str; 8] = [
        "vault:secret/app#key",
        "bao:secret/app#key",
        ">>vault:pki/issue/app#certificate#{}",
        "vault:v1:abc",
        "a ${vault:secret/app#key} b",
        "${bao:secret/app#key}",
        "x${>>vault:pki#a#{}}",
        ">>bao:x",
    ];

    #[test]
    fn one_that_has_a_value_is_replaced() {
        for reference in REFERENCES {
            let pod = Pod::with_file("A=1\n")
                .with_options(&["-r"])
                .with_own("A", reference);
            let started = pod.start();
            assert_eq!(started.environment[OsStr::new("A")], "1", "{reference}");
        }
    }

    #[test]
    fn one_that_is_left_keeps_the_application_from_starting() {
        for reference in REFERENCES {
            let pod = Pod::with_file("B=1\n")
                .with_options(&["-r"])
                .with_own("A", reference);
            pod.run(&["sh", "-c", ": >started"]).ends_with(1);
            assert!(!pod.container.has("started"), "{reference}");
            let messages = pod.container.messages();
            assert!(
                messages.contains("the variable A refers to Vault"),
                "{messages}"
            );
            assert!(!messages.contains(reference), "{messages}");
        }
    }

    #[test]
    fn other_values_are_left_alone() {
        for value in [
            "vault:8200",
            "http://vault:8200/#a",
            "${A}",
            "vault",
            "#vault:",
            "v1:a",
        ] {
            let pod = Pod::with_file("B=1\n")
                .with_options(&["-r"])
                .with_own("A", value);
            pod.gives(&[("B", "1")]);
        }
        // A secret may look like one, and without the option everything may.
        let pod = Pod::with_file("B=vault:a#b\n").with_options(&["-r"]);
        pod.gives(&[("B", "vault:a#b")]);
        let pod = Pod::with_file("B=1\n").with_own("A", "vault:a#b");
        pod.gives(&[("B", "1")]);
    }
}

mod waiting {
    use super::*;

    #[test]
    fn files_are_awaited() {
        let mut pod = Pod::new();
        pod.options = ["-w", "20", "-f"].map(str::to_owned).to_vec();
        pod.options.push(pod.container.path("watched file"));
        pod.files = vec![pod.container.path("late")];
        let mut application = pod.run(&["sh", "-c", "echo $A >value"]);
        pod.container.write("watched file", "");
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!pod.container.has("value"));
        pod.container.write("late", "A=1\n");
        application.ends_with(0);
        assert_eq!(pod.container.read("value"), "1\n");
    }

    #[test]
    fn a_file_that_does_not_come_is_reported() {
        let mut pod = Pod::new().with_options(&["-w", "1"]);
        pod.files = vec![pod.container.path("never")];
        pod.run(&["sh", "-c", ": >started"]).ends_with(1);
        let messages = pod.container.messages();
        assert!(messages.contains("never is not there"), "{messages}");
        assert!(!pod.container.has("started"));
    }

    #[test]
    fn a_signal_ends_it() {
        let mut pod = Pod::new().with_options(&["-w", "600"]);
        pod.files = vec![pod.container.path("never")];
        let mut application = pod.run(&["sh", "-c", ": >started"]);
        std::thread::sleep(std::time::Duration::from_millis(500));
        application.send("TERM");
        application.ends_with(143);
    }
}

/// The script stays, and ends the application when a file has changed.
mod restarts {
    use super::*;

    const READY: &str =
        "trap 'echo TERM >>signals; exit 0' TERM; : >ready; while :; do sleep 0.05; done";

    fn pod() -> Pod {
        Pod::with_file("A=1\n").with_options(&["-s", "5"])
    }

    fn started<'p>(pod: &'p Pod, script: &str) -> Running<'p> {
        let application = pod.run(&["sh", "-c", script]);
        let container = &pod.container;
        container.wait_until("the application starts", || container.has("ready"));
        application
    }

    #[test]
    fn a_change_ends_the_application_and_is_a_failure() {
        for own in ["ORDINARY", "my.var"] {
            let pod = pod().with_own(own, "1");
            let mut application = started(&pod, READY);
            pod.container.write("secrets 1", "A=2\n");
            application.ends_with(143);
            assert_eq!(pod.container.read("signals"), "TERM\n");
            assert!(pod.container.messages().contains("a secret has changed"));
        }
    }

    #[test]
    fn a_watched_file_is_as_good() {
        let pod = pod();
        pod.container.write("watched", "1");
        let watched = pod.container.path("watched");
        let pod = pod.with_options(&["-f", &watched]);
        let mut application = started(&pod, READY);
        fs::write(pod.container.path("new"), "2").expect("a file can be written");
        fs::rename(pod.container.path("new"), &watched).expect("it can be put in place");
        application.ends_with(143);
    }

    /// A sidecar that has been started again writes the same.
    #[test]
    fn the_same_content_is_not_a_change() {
        let pod = pod();
        let mut application = started(&pod, READY);
        pod.container.write("new", "A=1\n");
        fs::rename(pod.container.path("new"), pod.container.path("secrets 1"))
            .expect("it can be put in place");
        std::thread::sleep(std::time::Duration::from_secs(5));
        assert!(!pod.container.has("signals"));
        application.send("TERM");
        application.ends_with(0);
    }

    #[test]
    fn an_application_that_does_not_mind_is_killed() {
        let pod = Pod::with_file("A=1\n").with_options(&["-s", "1"]);
        let mut application = started(&pod, "trap '' TERM; : >ready; while :; do sleep 0.05; done");
        pod.container.write("secrets 1", "A=2\n");
        application.ends_with(137);
    }

    #[test]
    fn the_application_s_status_is_the_container_s() {
        for status in [0, 1, 7, 143] {
            let exit = format!("exit {status}");
            pod().run(&["sh", "-c", &exit]).ends_with(status);
        }
        pod().run(&["sh", "-c", "kill -KILL $$"]).ends_with(137);
    }

    #[test]
    fn signals_are_for_the_application() {
        for signal in ["HUP", "USR1", "USR2", "WINCH", "TERM"] {
            let pod = pod();
            let script = format!(
                "trap 'echo {signal} >>signals' {signal}; trap 'exit 3' TERM; : >ready; while :; do sleep 0.05; done"
            );
            let mut application = started(&pod, &script);
            application.send(signal);
            if signal != "TERM" {
                let container = &pod.container;
                container.wait_until("it has the signal", || container.has("signals"));
                assert_eq!(container.read("signals"), format!("{signal}\n"));
                application.send("TERM");
            }
            application.ends_with(3);
        }
    }

    #[test]
    fn the_application_has_its_input_and_the_secrets() {
        let pod = pod();
        pod.container.write("input", "a line\n");
        let mut shell = Command::new(pod.container.path(SHELL));
        shell.args([
            "-c",
            "exec \"$@\" <input",
            "sh",
            &pod.container.path(BUSYBOX),
        ]);
        shell.args(["sh", &pod.container.path("tvsi-env/env.sh")]);
        shell.args(&pod.options).args(&pod.files).arg("--");
        shell.args(["sh", "-c", "read -r line; echo \"$A $line\" >value"]);
        pod.container.start(shell).ends_with(0);
        assert_eq!(pod.container.read("value"), "1 a line\n");
    }
}
