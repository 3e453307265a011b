//! The shell scripts shipped inside the module can be got wrong in ways that no golden case shows:
//! here each runs as in its container, under the shells of the images, with stand-ins for the
//! programs it calls.

/// Its tests run here, for cargo runs no tests of a build script.
#[allow(dead_code, reason = "what looks for files is for the build script")]
#[path = "../build/script.rs"]
mod build_script;
#[path = "scripts/container.rs"]
mod container;
#[path = "scripts/env.rs"]
mod env;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use container::{Container, Running, Shell, find_program, text_of, under_each_shell};

/// Arguments that a script which is careless about quoting, splitting or options would change.
const AWKWARD_ARGUMENTS: [&str; 11] = [
    "two words",
    "",
    "--",
    "-e",
    "*",
    "$HOME `id` $(id) ${IFS}",
    "it's \"quoted\"",
    "back\\slash \\n \\c",
    "two\nlines\n",
    "%s;&|<>#",
    "né ☃",
];

mod sidecars {
    use super::*;

    const AGENT: &str = "agent.sh";
    const AGENT_INIT: &str = "agent-init.sh";
    const CONSUL_TEMPLATE: &str = "consul-template.sh";
    const TOKEN: &str = "home/.vault-token";
    const SIGNAL: &str = "signal";
    /// How long the script lets a program take to end after TERM.
    const PATIENCE: &str = "5";
    /// The same for the revocation.
    const REVOCATION_PATIENCE: &str = "20";
    /// Both, held in these tests: on a busy machine no time is long enough.
    const HELD: &str = "5 20";
    const GRACE: &str = "3";

    fn container_with_token(shell: Shell) -> Container {
        let mut container = Container::new(shell);
        container.hold_sleeps_of(HELD);
        container.write(TOKEN, "hvs.token");
        container
    }

    fn run<'a>(container: &'a Container, script: &str) -> Running<'a> {
        run_with_grace(container, script, "0")
    }

    /// Only the agent has a grace, and an init container does not wait for the end of a job.
    fn run_with_grace<'a>(container: &'a Container, script: &str, grace: &str) -> Running<'a> {
        container.run(script, &arguments(container, script, grace))
    }

    fn arguments(container: &Container, script: &str, grace: &str) -> Vec<String> {
        let (token, signal) = (container.path(TOKEN), container.path(SIGNAL));
        match script {
            AGENT => vec![token, grace.to_owned(), signal],
            CONSUL_TEMPLATE => vec![token, signal],
            _ => vec![token],
        }
    }

    /// Where no job is awaited, the script ends with its program.
    fn run_without_job<'a>(container: &'a Container, script: &str) -> Running<'a> {
        let token = container.path(TOKEN);
        let arguments: &[&str] = match script {
            AGENT => &[&token, "0"],
            _ => &[&token],
        };
        container.run(script, arguments)
    }

    fn wait_for_another_poll(container: &Container) {
        let polls = container.times_logged("sleep 1");
        container.wait_for_log_again("sleep 1", polls + 1);
    }

    #[test]
    fn consul_template_starts_only_once_the_token_file_is_filled() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.hold_sleeps_of(HELD);
            container.program_does("run_until_term 12");
            let mut sidecar = container.run(CONSUL_TEMPLATE, &[container.path(TOKEN)]);

            wait_for_another_poll(&container);
            container.write(TOKEN, "");
            wait_for_another_poll(&container);
            assert!(
                container.log_of_programs().is_empty(),
                "started without a token"
            );

            container.write(TOKEN, "hvs.token");
            let token = || {
                let metadata = fs::metadata(container.path(TOKEN)).expect("the token is there");
                (
                    metadata.ino(),
                    metadata.modified().expect("a file has a time"),
                )
            };
            let written = token();
            container.wait_for_log("consul-template: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            assert_eq!(container.read(TOKEN), "hvs.token");
            assert_eq!(token(), written, "the token file was touched");
        });
    }

    #[test]
    fn consul_template_that_waits_for_a_token_ends_after_term() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            wait_for_another_poll(&container);
            sidecar.send("TERM");
            sidecar.ends_with(0);
            assert!(
                container.log_of_programs().is_empty(),
                "started without a token"
            );
        });
    }

    #[test]
    fn consul_template_that_waits_for_a_token_ends_when_the_job_is_done() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            wait_for_another_poll(&container);
            container.write(SIGNAL, "");
            sidecar.ends_with(0);
            assert!(
                container.log_of_programs().is_empty(),
                "started without a token"
            );
        });
    }

    #[test]
    fn consul_template_is_started_again_when_there_is_another_token() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("TVSI_CONSUL_TEMPLATE_CONFIG", "{}");
            container.program_does(r#"note "reads $(cat /dev/fd/3)"; run_until_term 12"#);
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            container.wait_for_log("consul-template: started");
            for same_or_none in ["", "hvs.token", "hvs.token\n"] {
                container.write(TOKEN, same_or_none);
                wait_for_another_poll(&container);
                wait_for_another_poll(&container);
            }
            assert_eq!(container.times_logged("consul-template: started"), 1);

            for times in 1..3 {
                container.write(TOKEN, format!("hvs.another-{times}"));
                container.wait_for_log_again("consul-template: started", times);
                wait_for_another_poll(&container);
                wait_for_another_poll(&container);
            }
            assert_eq!(container.times_logged("consul-template: got TERM"), 2);

            sidecar.send("TERM");
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("consul-template: started"), 3);
            assert_eq!(container.times_logged("consul-template: reads {}"), 3);
        });
    }

    #[test]
    fn consul_template_that_got_another_token_while_it_started_is_started_again() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does(
                "note starts; [ -e again ] || { : >again; stay; }; run_until_term 12",
            );
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            container.wait_for_log("consul-template: starts");
            container.write(TOKEN, "hvs.another");
            container.wait_for_log("consul-template: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("consul-template: starts"), 2);
        });
    }

    fn awkward_configuration() -> String {
        let mut configuration = String::from("-n {\"quotes\": \"it's \\\"quoted\\\"\",\n\t");
        configuration.push_str("\"dollars\": \"$(HOME) $$(HOME) $HOME ${HOME} `id` $(id) $é\",\n");
        configuration
            .push_str("\"backslashes\": \"\\\\ \\n \\c \\0101 \\x41\", \"format\": \"%s%d%%\",\n");
        // Shells mark bytes of their own with the values that some of these have in UTF-8.
        configuration.extend('\u{80}'..='\u{17f}');
        configuration.push_str("☃🦀");
        let longest_admitted = 128_000;
        let rest = longest_admitted - configuration.len() - 3;
        configuration.push_str(&"0123456789".repeat(rest / 10 + 1)[..rest]);
        configuration.push_str("}\n\n");
        configuration
    }

    #[test]
    fn configuration_is_read_byte_for_byte_and_is_not_a_file() {
        under_each_shell(|shell| {
            for (script, variable) in [
                (AGENT, "TVSI_AGENT_CONFIG"),
                (AGENT_INIT, "TVSI_AGENT_CONFIG"),
                (CONSUL_TEMPLATE, "TVSI_CONSUL_TEMPLATE_CONFIG"),
            ] {
                let mut container = container_with_token(shell);
                let configuration = awkward_configuration();
                container.set(variable, configuration.clone());
                // Read twice as Consul Template does, which looks at it and wants a regular file.
                let source = match script {
                    CONSUL_TEMPLATE => {
                        "[ -f /dev/fd/3 ] && cat /dev/fd/3 >/dev/null && cat /dev/fd/3"
                    }
                    _ => "cat /dev/stdin",
                };
                container.program_does(&format!(
                    r#"({source}) >"$TVSI_TEST_DIR/read"; ls -A "$TVSI_TEST_DIR/home" >"$TVSI_TEST_DIR/files""#
                ));
                run_without_job(&container, script).ends_with(0);

                let read = container.read("read");
                assert!(read == configuration, "{script}: {read:.300?}...");
                // What an earlier run of agent-init has left is gone.
                let files = if script == AGENT_INIT {
                    ""
                } else {
                    ".vault-token"
                };
                assert_eq!(container.read("files").trim(), files, "{script}");
            }
        });
    }

    #[test]
    fn a_program_that_reads_no_configuration_ends_all_the_same() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("TVSI_AGENT_CONFIG", awkward_configuration());
            container.program_does("exit 7");
            run_without_job(&container, AGENT).ends_with(7);
        });
    }

    #[test]
    fn program_gets_the_path_of_its_configuration_and_neither_the_configuration_nor_a_umask() {
        under_each_shell(|shell| {
            for (script, variable, arguments) in [
                (
                    AGENT,
                    "TVSI_AGENT_CONFIG",
                    ["agent", "-config", "/dev/stdin"].as_slice(),
                ),
                (
                    AGENT_INIT,
                    "TVSI_AGENT_CONFIG",
                    &["agent", "-config", "/dev/stdin"],
                ),
                (
                    CONSUL_TEMPLATE,
                    "TVSI_CONSUL_TEMPLATE_CONFIG",
                    &["-config", "/dev/fd/3"],
                ),
            ] {
                let mut container = container_with_token(shell);
                container.set(variable, "{\"is\": \"configuration\"}");
                container.set("VAULT_ADDR", "https://vault:8200");
                run_without_job(&container, script).ends_with(0);

                assert_eq!(container.arguments(), arguments, "{script}");
                let environment = container.read("environment");
                assert!(
                    environment.contains("VAULT_ADDR=https://vault:8200"),
                    "{script}"
                );
                assert!(!environment.contains(variable), "{script}: {environment}");
                assert_eq!(container.read("umask").trim(), "0022", "{script}");
            }
        });
    }

    #[test]
    fn agent_init_makes_the_directory_of_its_token_where_it_is_missing() {
        under_each_shell(|shell| {
            let container = container_with_token(shell);
            let token = container.path("missing/two levels/.vault-token");
            container.run(AGENT_INIT, &[token]).ends_with(0);
            let metadata = fs::metadata(container.path("missing/two levels"));
            let mode = metadata.expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            assert!(container.has("arguments"), "it did not start");
        });
    }

    #[test]
    fn consul_template_does_not_start_without_its_configuration() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("HOME", container.path("log/below a file"));
            let status = run(&container, CONSUL_TEMPLATE).status();
            assert!(!status.success(), "{status}");
            assert!(!container.has("arguments"), "it started");
        });
    }

    /// A volume outlives the container that was killed between writing and removing it.
    #[test]
    fn consul_template_starts_where_an_earlier_configuration_was_left() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("TVSI_CONSUL_TEMPLATE_CONFIG", "{}");
            container.write("home/consul-template.json", "old");
            let left = container.path("home/consul-template.json");
            let read_only = fs::Permissions::from_mode(0o400);
            fs::set_permissions(left, read_only).expect("it is ours");
            container.program_does(r#"cat /dev/fd/3 >"$TVSI_TEST_DIR/read""#);
            run_without_job(&container, CONSUL_TEMPLATE).ends_with(0);
            assert_eq!(container.read("read"), "{}");
        });
    }

    /// With the token of an earlier run, it would not try again.
    #[test]
    fn agent_init_tries_again_where_an_earlier_token_was_left() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does("[ -e failed ] || { : >failed; exit 7; }; note logs in; exit 0");
            run(&container, AGENT_INIT).ends_with(0);
            assert_eq!(container.times_logged("vault: logs in"), 1);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 0);
        });
    }

    /// The program cannot write to what it reads, not even by its descriptor.
    #[test]
    fn consul_template_cannot_write_its_configuration() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("TVSI_CONSUL_TEMPLATE_CONFIG", "{}");
            container.program_does(r#"stat -L -c %a /dev/fd/3 >"$TVSI_TEST_DIR/mode""#);
            run_without_job(&container, CONSUL_TEMPLATE).ends_with(0);
            assert_eq!(container.read("mode").trim(), "400");
        });
    }

    #[test]
    fn agent_init_does_not_start_without_a_directory_for_its_token() {
        under_each_shell(|shell| {
            let container = container_with_token(shell);
            let token = container.path("log/below a file/.vault-token");
            let status = container.run(AGENT_INIT, &[token]).status();
            assert!(!status.success(), "{status}");
            assert!(!container.has("arguments"), "it started");
        });
    }

    /// A fork of the shell that is still to become the program has the shell's traps: it can lose the first TERM.
    #[test]
    fn a_program_that_has_lost_the_first_term_gets_another() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("1 {HELD}"));
            container.program_does(
                r#"trap 'note loses it; trap "exit 0" TERM' TERM; note started; stay"#,
            );
            // Nothing else sleeps for a second where no job is awaited.
            let mut sidecar = container.run(AGENT, &[&container.path(TOKEN), "0"]);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            container.wait_for_log("vault: loses it");
            container.let_one_sleeper_go("1");
            sidecar.ends_with(0);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    /// The home of a program can name programs that it runs: what the renderer can write must not be one.
    #[test]
    fn the_token_is_revoked_without_a_home() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.set("HOME", "/nonexistent");
            container.program_does("run_until_term 0");
            let mut agent = run(&container, AGENT);
            container.wait_for_log("vault: started");
            agent.send("TERM");
            agent.ends_with(0);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn where_no_job_is_awaited_it_ends_with_the_status_of_the_program() {
        under_each_shell(|shell| {
            for (script, program, status) in [
                (AGENT, "exit 0", 0),
                (AGENT, "exit 7", 7),
                (AGENT, "exit 12", 12),
                (AGENT, "kill -KILL $$", 137),
                (AGENT, "kill -TERM $$", 143),
                (CONSUL_TEMPLATE, "exit 0", 0),
                (CONSUL_TEMPLATE, "exit 7", 7),
                (CONSUL_TEMPLATE, "kill -KILL $$", 137),
                // What Consul Template ends with when TERM is sent to it directly.
                (CONSUL_TEMPLATE, "exit 12", 0),
            ] {
                let mut container = container_with_token(shell);
                container.program_does(program);
                println!("{script}: {program}");
                run_without_job(&container, script).ends_with(status);
                let revoked = container.times_logged("vault: revokes hvs.token");
                assert_eq!(revoked, 0, "the token of a program that is restarted");
            }
        });
    }

    #[test]
    fn in_a_job_a_program_that_ends_is_started_again_with_its_configuration() {
        under_each_shell(|shell| {
            for (script, variable, source) in [
                (AGENT, "TVSI_AGENT_CONFIG", "/dev/stdin"),
                (CONSUL_TEMPLATE, "TVSI_CONSUL_TEMPLATE_CONFIG", "/dev/fd/3"),
            ] {
                for (end, status) in [
                    ("exit 0", 0),
                    ("exit 7", 7),
                    // Consul Template's, and both programs', for a TERM that was not the script's.
                    ("exit 12", 12),
                    ("kill -TERM $$", 143),
                    ("kill -KILL $$", 137),
                ] {
                    println!("{script}: {end}");
                    let mut container = container_with_token(shell);
                    container.set(variable, "{ it is }");
                    container.program_does(&format!(
                        "note \"reads $(cat {source})\"; [ -e again ] || {{ : >again; {end}; }}; run_until_term 12"
                    ));
                    let mut sidecar = run(&container, script);
                    let program = script_s_program(script);
                    container.wait_for_log(&format!("{program}: started"));
                    container.write(SIGNAL, "");
                    sidecar.ends_with(0);
                    sidecar.output_when_all_has_ended();
                    let reads = format!("{program}: reads {{ it is }}");
                    assert_eq!(container.times_logged(&reads), 2);
                    let told = format!("ended with status {status}; starting again in 1 s");
                    let messages = container.messages();
                    assert!(messages.contains(&told), "{messages}");
                    assert_eq!(container.read(TOKEN), "hvs.token");
                }
            }
        });
    }

    fn script_s_program(script: &str) -> &str {
        match script {
            CONSUL_TEMPLATE => "consul-template",
            _ => "vault",
        }
    }

    /// The pauses before the program was started again, in seconds, as they were logged.
    fn pauses(container: &Container) -> Vec<u32> {
        let messages = container.messages();
        messages
            .lines()
            .filter_map(|line| line.split_once("starting again in ")?.1.strip_suffix(" s"))
            .map(|seconds| seconds.parse().expect("it is a number"))
            .collect()
    }

    #[test]
    fn in_a_job_the_pause_grows_up_to_half_a_minute() {
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                let mut container = container_with_token(shell);
                container.program_does("note ends; exit 7");
                let mut sidecar = run(&container, script);
                let ends = format!("{}: ends", script_s_program(script));
                container.wait_for_log_again(&ends, 7);
                sidecar.send("TERM");
                sidecar.ends_with(0);
                let pauses = pauses(&container);
                assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30], "{script}");
                for pause in ["2", "4", "8", "16", "30"] {
                    let slept = format!("slept {pause}");
                    assert!(container.times_logged(&slept) > 0, "{script}: {pause} s");
                }
            }
        });
    }

    #[test]
    fn in_a_job_the_pause_is_short_again_once_the_program_has_run_for_a_while() {
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                let mut container = container_with_token(shell);
                container.write("now", "1000000");
                container.write("runs", "10\n10\n61\n60\n600\n");
                container.program_does(
                    "number=$(cat number 2>/dev/null || echo 1); echo $((number + 1)) >number; \
                    seconds=$(sed -n \"${number}p\" runs); \
                    [ -n \"$seconds\" ] || run_until_term 12; \
                    echo $(($(cat now) + seconds)) >now; exit 7",
                );
                let mut sidecar = run(&container, script);
                container.wait_for_log(&format!("{}: started", script_s_program(script)));
                sidecar.send("TERM");
                sidecar.ends_with(0);
                assert_eq!(pauses(&container), [1, 2, 1, 2, 1], "{script}");
            }
        });
    }

    #[test]
    fn after_term_or_the_job_done_during_the_pause_it_ends_at_once_and_revokes_the_token() {
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                for why in [SIGNAL, "TERM", "INT"] {
                    println!("{script}: {why}");
                    let mut container = container_with_token(shell);
                    container.hold_sleeps_of(&format!("2 {HELD}"));
                    container.program_does("note ends; exit 7");
                    let mut sidecar = run(&container, script);
                    container.wait_for_log("sleep 2");
                    match why {
                        SIGNAL => container.write(SIGNAL, ""),
                        signal => sidecar.send(signal),
                    }
                    sidecar.ends_with(0);
                    let ends = format!("{}: ends", script_s_program(script));
                    let mut expected = vec![ends.as_str(), &ends];
                    if script == AGENT {
                        expected.push("vault: revokes hvs.token");
                    }
                    assert_eq!(container.log_of_programs(), expected);
                    assert_eq!(container.times_logged("slept 2"), 0);
                    assert_eq!(container.read(TOKEN), "hvs.token");
                }
            }
        });
    }

    #[test]
    fn after_term_during_the_pause_the_agent_waits_the_grace() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("2 {GRACE} {HELD}"));
            container.program_does("exit 7");
            let mut sidecar = run_with_grace(&container, AGENT, GRACE);
            container.wait_for_log("sleep 2");
            sidecar.send("TERM");
            container.wait_for_log("sleep 3");
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 0);
            container.let_one_sleeper_go(GRACE);
            sidecar.ends_with(0);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    /// Its process id may be another's by then. The signal comes before the pause, while the script reads the time.
    #[test]
    fn in_a_job_a_program_that_has_ended_gets_no_term() {
        const FUNCTIONS: &str = r#"
            kill() { echo "$*" >>kills; command kill "$@"; }
            date() { while [ -e ended ] && [ ! -e go ]; do : >asks; "$TVSI_TEST_SLEEP" 0.02; done; echo 0; }"#;
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                let mut container = container_with_token(shell);
                container.program_does("echo $$ >ended; exit 7");
                container.write("kills", "");
                let arguments = arguments(&container, script, "0");
                let mut sidecar = container.run_after(FUNCTIONS, script, &arguments);
                container.wait_until("it reads the time", || container.has("asks"));
                sidecar.send("TERM");
                container.write("go", "");
                sidecar.ends_with(0);
                let told = format!("-TERM {}", container.read("ended").trim());
                let kills = container.read("kills");
                assert!(!kills.lines().any(|kill| kill == told), "{script}: {kills}");
            }
        });
    }

    #[test]
    fn in_a_job_another_token_makes_no_pause() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does(
                "note starts; [ -e again ] || { : >again; exit 7; }; run_until_term 12",
            );
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            for times in 0..3 {
                container.wait_for_log_again("consul-template: started", times);
                container.write(TOKEN, format!("hvs.another-{times}"));
            }
            container.wait_for_log_again("consul-template: started", 3);
            sidecar.send("TERM");
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("consul-template: starts"), 5);
            assert_eq!(pauses(&container), [1]);
        });
    }

    #[test]
    fn told_to_stop_at_any_moment_between_two_starts_it_ends_with_0() {
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                for tries in 0..30 {
                    let mut container = container_with_token(shell);
                    container.program_does("note ends; exit 7");
                    let mut sidecar = run(&container, script);
                    container.wait_for_log(&format!("{}: ends", script_s_program(script)));
                    thread::sleep(Duration::from_micros(1500 * tries));
                    match tries % 2 {
                        0 => sidecar.send("TERM"),
                        _ => container.write(SIGNAL, ""),
                    }
                    sidecar.ends_with(0);
                    sidecar.output_when_all_has_ended();
                    let revoked = container.times_logged("vault: revokes hvs.token");
                    assert_eq!(revoked, usize::from(script == AGENT));
                }
            }
        });
    }

    #[test]
    fn starts_again_with_the_sleep_and_the_date_that_the_shell_has() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.sleep_for_real();
            container.program_does("[ -e again ] || { : >again; exit 7; }; run_until_term 1");
            let mut sidecar = run(&container, AGENT);
            container.wait_for_log("vault: started");
            container.write(SIGNAL, "");
            sidecar.ends_with(0);
            assert_eq!(pauses(&container), [1]);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn agent_ends_at_once_and_revokes_its_token_when_the_job_is_done() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("{GRACE} {HELD}"));
            container.program_does("run_until_term 1");
            let mut sidecar = run_with_grace(&container, AGENT, GRACE);
            container.wait_for_log("vault: started");
            container.write(SIGNAL, "");
            sidecar.ends_with(0);
            assert_eq!(
                container.log_with_sleeps_of(GRACE),
                [
                    "vault: started",
                    "vault: got TERM",
                    "vault: revokes hvs.token"
                ]
            );
        });
    }

    #[test]
    fn ends_when_the_job_was_done_before_it_started() {
        under_each_shell(|shell| {
            for script in [AGENT, CONSUL_TEMPLATE] {
                let mut container = container_with_token(shell);
                // The program may be killed before it knows of TERM, or after: both are in order.
                container.hold_sleeps_of(GRACE);
                container.program_does("run_until_term 1");
                container.write(SIGNAL, "");
                let mut sidecar = run_with_grace(&container, script, GRACE);
                sidecar.ends_with(0);
                sidecar.output_when_all_has_ended();
            }
        });
    }

    #[test]
    fn after_term_it_waits_the_grace_then_stops_the_agent_then_revokes_the_token() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("{GRACE} {HELD}"));
            container.program_does("run_until_term 1");
            let mut sidecar = run_with_grace(&container, AGENT, GRACE);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            container.wait_for_log("sleep 3");
            assert_eq!(container.times_logged("vault: got TERM"), 0);
            container.let_one_sleeper_go(GRACE);
            sidecar.ends_with(0);
            assert_eq!(
                container.log_with_sleeps_of(GRACE),
                [
                    "vault: started",
                    "sleep 3",
                    "slept 3",
                    "vault: got TERM",
                    "vault: revokes hvs.token"
                ]
            );
        });
    }

    #[test]
    fn consul_template_is_stopped_at_once_and_never_revokes_the_token() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does("run_until_term 12");
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            container.wait_for_log("consul-template: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            assert_eq!(
                container.log_of_programs(),
                ["consul-template: started", "consul-template: got TERM"]
            );
        });
    }

    #[test]
    fn more_signals_during_the_grace_change_nothing() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("{GRACE} {HELD}"));
            container.program_does("run_until_term 1");
            let mut sidecar = run_with_grace(&container, AGENT, GRACE);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            container.wait_for_log("sleep 3");
            for signal in ["TERM", "INT", "USR1", "TERM"] {
                sidecar.send(signal);
            }
            container.let_one_sleeper_go(GRACE);
            sidecar.ends_with(0);
            assert_eq!(
                container.log_with_sleeps_of(GRACE),
                [
                    "vault: started",
                    "sleep 3",
                    "slept 3",
                    "vault: got TERM",
                    "vault: revokes hvs.token"
                ]
            );
        });
    }

    #[test]
    fn a_grace_of_0_is_not_slept() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.hold_sleeps_of(&format!("0 {HELD}"));
            container.program_does("run_until_term 1");
            let mut sidecar = run(&container, AGENT);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            assert_eq!(
                container.log_with_sleeps_of("0"),
                [
                    "vault: started",
                    "vault: got TERM",
                    "vault: revokes hvs.token"
                ]
            );
        });
    }

    #[test]
    fn without_a_token_nothing_is_revoked() {
        under_each_shell(|shell| {
            for token in [None, Some("")] {
                let mut container = Container::new(shell);
                container.hold_sleeps_of(HELD);
                container.program_does("run_until_term 1");
                if let Some(token) = token {
                    container.write(TOKEN, token);
                }
                let mut sidecar = run(&container, AGENT);
                container.wait_for_log("vault: started");
                sidecar.send("TERM");
                sidecar.ends_with(0);
                assert_eq!(
                    container.log_of_programs(),
                    ["vault: started", "vault: got TERM"],
                    "{token:?}"
                );
                assert_eq!(container.has(TOKEN), token.is_some());
            }
        });
    }

    #[test]
    fn a_revocation_that_fails_is_logged_and_not_a_failure() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does("run_until_term 0");
            container.revocation_does("exit 2");
            let mut sidecar = run(&container, AGENT);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
            assert!(container.messages().contains("could not revoke"));
        });
    }

    #[test]
    fn a_revocation_that_hangs_is_cut_off_and_no_failure() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does("run_until_term 0");
            container.revocation_does("note hangs; stay");
            let mut sidecar = run(&container, AGENT);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            container.wait_for_log("vault: hangs");
            container.let_one_sleeper_go(REVOCATION_PATIENCE);
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
            assert!(container.messages().contains("could not revoke"));
        });
    }

    #[test]
    fn an_agent_that_ignores_term_is_killed_and_its_token_still_revoked() {
        under_each_shell(|shell| {
            let mut container = container_with_token(shell);
            container.program_does("ignore_term");
            let mut sidecar = run(&container, AGENT);
            container.wait_for_log("vault: started");
            sidecar.send("TERM");
            container.wait_for_log("vault: does not stop");
            container.let_one_sleeper_go(PATIENCE);
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn after_term_at_any_moment_of_its_start_it_ends_with_all_that_it_started() {
        under_each_shell(|shell| {
            for script in [AGENT, AGENT_INIT, CONSUL_TEMPLATE] {
                let after_term = if script == AGENT_INIT { 143 } else { 0 };
                for tries in 0..30 {
                    let mut container = Container::new(shell);
                    container.write(TOKEN, "hvs.token");
                    container.program_does("run_until_term 1");
                    let mut sidecar = run(&container, script);
                    thread::sleep(Duration::from_micros(500 * tries));
                    sidecar.send("TERM");

                    let status = sidecar.status();
                    let in_order = status.code() == Some(after_term);
                    let before_it_could_know = status.signal() == Some(15);
                    assert!(in_order || before_it_could_know, "{script}: {status}");
                    sidecar.output_when_all_has_ended();
                }
            }
        });
    }

    #[test]
    fn works_with_the_sleep_that_the_shell_has() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.sleep_for_real();
            container.program_does("run_until_term 12");
            let mut sidecar = run(&container, CONSUL_TEMPLATE);
            container.write(TOKEN, "hvs.token");
            container.wait_for_log("consul-template: started");
            sidecar.send("TERM");
            sidecar.ends_with(0);
            sidecar.output_when_all_has_ended();
            assert_eq!(container.times_logged("consul-template: got TERM"), 1);
        });
    }

    /// The program logs in, as the agent does first of all, and then does `commands`.
    fn container_that_logs_in(shell: Shell, commands: &str) -> Container {
        let mut container = Container::new(shell);
        container.hold_sleeps_of(HELD);
        container.program_does(&format!(
            "printf hvs.token >\"$HOME/.vault-token\"; note logged in; {commands}"
        ));
        container
    }

    #[test]
    fn agent_init_keeps_the_program_s_status_and_revokes_its_token_once_it_has_ended() {
        under_each_shell(|shell| {
            for (end, status) in [
                ("exit 0", 0),
                ("exit 7", 7),
                ("exit 12", 12),
                ("kill -KILL $$", 137),
                ("kill -TERM $$", 143),
            ] {
                println!("{end}");
                let commands = format!("\"$TVSI_TEST_SLEEP\" 0.1; note ends; {end}");
                let container = container_that_logs_in(shell, &commands);
                let mut init = run(&container, AGENT_INIT);
                init.ends_with(status);
                init.output_when_all_has_ended();
                assert_eq!(
                    container.log_of_programs(),
                    [
                        "vault: logged in",
                        "vault: ends",
                        "vault: revokes hvs.token"
                    ]
                );
            }
        });
    }

    #[test]
    fn agent_init_without_a_token_revokes_nothing() {
        under_each_shell(|shell| {
            for token in [None, Some("")] {
                for status in [0, 7] {
                    let mut container = Container::new(shell);
                    container.hold_sleeps_of(HELD);
                    container.program_does(&format!("note ends; exit {status}"));
                    if let Some(token) = token {
                        container.write(TOKEN, token);
                    }
                    run(&container, AGENT_INIT).ends_with(status);
                    let revocations = container.times_logged("vault: revokes");
                    assert_eq!(revocations, 0);
                }
            }
        });
    }

    /// A pod that is not restarted would be lost for a moment without Vault.
    #[test]
    fn agent_init_tries_a_login_again_that_has_failed() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.hold_sleeps_of(HELD);
            container.program_does(
                "note tries; [ -e failed ] || { >failed; exit 7; }; printf hvs.token >\"$HOME/.vault-token\"; exit 0",
            );
            run(&container, AGENT_INIT).ends_with(0);
            assert_eq!(container.times_logged("vault: tries"), 2);
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn agent_init_gives_a_login_up_in_the_end_and_ends_with_the_status() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.program_does("note tries; exit 7");
            run(&container, AGENT_INIT).ends_with(7);
            assert_eq!(container.times_logged("vault: tries"), 6);
        });
    }

    /// The agent's log names paths, and a manifest variables.
    #[test]
    fn agent_init_names_the_variables_that_need_a_path() {
        under_each_shell(|shell| {
            let mut container = container_that_logs_in(
                shell,
                r#"printf "%s\n" "no vault.read(secret/a b): not there" "vault.read(secret/a.v2)" "about secret/a" "vault.write(pki/x -> 1a): denied" >&2; printf last; exit 7"#,
            );
            let variables =
                "pki/x#app CERTIFICATE\nsecret/a#app A, web A\nsecret/a b#app B\nsecret#app C\n";
            container.set("TVSI_VARIABLES", variables);
            container.set("TVSI_SHOW", text_of("variables.sh"));
            let mut init = run(&container, AGENT_INIT);
            init.ends_with(7);
            let named = |names: &str| {
                format!("tvsi: agent-init: needed by the environment variables: {names}\n")
            };
            let messages = container.messages();
            let expected = [
                named("app B"),
                named("app A, web A"),
                named("app CERTIFICATE"),
            ];
            let lines = messages.split_inclusive('\n');
            let needed: Vec<_> = lines.filter(|line| line.contains("needed")).collect();
            assert_eq!(needed, expected, "{messages}");
            let output = init.output_when_all_has_ended();
            assert!(output.contains("about secret/a\n"), "{output}");
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn agent_init_with_variables_is_stopped_as_without() {
        under_each_shell(|shell| {
            let mut container = container_that_logs_in(
                shell,
                "note runs; trap 'exit 0' TERM; while :; do sleep 0.1; done",
            );
            container.set("TVSI_VARIABLES", "secret/a#app A\n");
            container.set("TVSI_SHOW", text_of("variables.sh"));
            let mut init = run(&container, AGENT_INIT);
            container.wait_for_log("vault: runs");
            init.send("TERM");
            init.ends_with(143);
        });
    }

    #[test]
    fn agent_init_fetches_only_once_when_it_was_logged_in() {
        under_each_shell(|shell| {
            let container = container_that_logs_in(shell, "note tries; exit 7");
            run(&container, AGENT_INIT).ends_with(7);
            assert_eq!(container.times_logged("vault: tries"), 1);
        });
    }

    #[test]
    fn agent_init_after_term_between_two_logins_ends_at_once() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.hold_sleeps_of(&format!("1 {HELD}"));
            container.program_does("note tries; exit 7");
            let mut init = run(&container, AGENT_INIT);
            container.wait_for_log("sleep 1");
            init.send("TERM");
            init.ends_with(143);
            assert_eq!(container.times_logged("vault: tries"), 1);
        });
    }

    #[test]
    fn agent_init_keeps_the_program_s_status_when_the_revocation_fails() {
        under_each_shell(|shell| {
            for status in [0, 7] {
                let mut container = container_that_logs_in(shell, &format!("exit {status}"));
                container.revocation_does("exit 2");
                run(&container, AGENT_INIT).ends_with(status);
                assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
                assert!(container.messages().contains("could not revoke"));
            }
        });
    }

    #[test]
    fn agent_init_keeps_the_program_s_status_when_the_revocation_hangs() {
        under_each_shell(|shell| {
            for status in [0, 7] {
                let mut container = container_that_logs_in(shell, &format!("exit {status}"));
                container.revocation_does("trap '' TERM; note hangs; stay");
                let mut init = run(&container, AGENT_INIT);
                container.wait_for_log("vault: hangs");
                container.let_one_sleeper_go(REVOCATION_PATIENCE);
                init.ends_with(status);
                init.output_when_all_has_ended();
                assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
                assert!(container.messages().contains("could not revoke"));
            }
        });
    }

    #[test]
    fn agent_init_ends_the_program_revokes_the_token_and_fails_after_a_signal() {
        under_each_shell(|shell| {
            for (signal, status) in [("TERM", 0), ("TERM", 7), ("INT", 0)] {
                let commands = format!("run_until_term {status}");
                let container = container_that_logs_in(shell, &commands);
                let mut init = run(&container, AGENT_INIT);
                container.wait_for_log("vault: started");
                init.send(signal);
                init.ends_with(143);
                assert_eq!(
                    container.log_of_programs(),
                    [
                        "vault: logged in",
                        "vault: started",
                        "vault: got TERM",
                        "vault: revokes hvs.token"
                    ]
                );
            }
        });
    }

    #[test]
    fn agent_init_fails_after_a_signal_whatever_the_program_and_the_revocation_do() {
        under_each_shell(|shell| {
            let mut container = container_that_logs_in(shell, "ignore_term");
            container.revocation_does("note hangs; stay");
            let mut init = run(&container, AGENT_INIT);
            container.wait_for_log("vault: started");
            init.send("TERM");
            container.wait_for_log("vault: does not stop");
            container.let_one_sleeper_go(PATIENCE);
            container.wait_for_log("vault: hangs");
            container.let_one_sleeper_go(REVOCATION_PATIENCE);
            init.ends_with(143);
            init.output_when_all_has_ended();
            assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
        });
    }

    #[test]
    fn agent_init_after_term_before_it_has_a_token_revokes_nothing() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.hold_sleeps_of(HELD);
            container.program_does("run_until_term 0");
            let mut init = run(&container, AGENT_INIT);
            container.wait_for_log("vault: started");
            init.send("TERM");
            init.ends_with(143);
            assert_eq!(
                container.log_of_programs(),
                ["vault: started", "vault: got TERM"]
            );
        });
    }

    #[test]
    fn agent_init_after_term_while_it_revokes_keeps_the_status_and_revokes_once() {
        under_each_shell(|shell| {
            for status in [0, 7] {
                let mut container = container_that_logs_in(shell, &format!("exit {status}"));
                container.revocation_does(
                    "note waits; until [ -e go ]; do \"$TVSI_TEST_SLEEP\" 0.05; done",
                );
                let mut init = run(&container, AGENT_INIT);
                container.wait_for_log("vault: waits");
                init.send("TERM");
                container.write("go", "");
                init.ends_with(status);
                assert_eq!(container.times_logged("vault: revokes hvs.token"), 1);
            }
        });
    }

    /// It can be run again beside running sidecars, whose token is in another file.
    #[test]
    fn agent_init_leaves_the_tokens_of_others_alone() {
        under_each_shell(|shell| {
            let mut container = container_that_logs_in(shell, "exit 0");
            container.write(TOKEN, "hvs.sidecar");
            container.set("HOME", container.path("home/init"));
            let token = container.path("home/init/.vault-token");
            container.run(AGENT_INIT, &[token]).ends_with(0);
            assert_eq!(
                container.log_of_programs(),
                ["vault: logged in", "vault: revokes hvs.token"]
            );
            assert_eq!(container.read(TOKEN), "hvs.sidecar");
        });
    }
}

mod env_init {
    use super::*;

    const SOURCE: &str = "the image/busybox";
    const DIRECTORY: &str = "the volume";
    const FILES: [&str; 3] = ["busybox", "denied-names", "env.sh"];
    const PROGRAM: &[u8] = b"\x7fELF\0 program \n\0\xff\n\n";
    const SCRIPT: &str = "-n %s \\n \\c \\0101 $HOME $$ `id` 'é'\n\tlast\n\n";
    const PATTERNS: [&str; 5] = ["PATH", "LD_*", "*", "-n", "%s"];

    fn container(shell: Shell) -> Container {
        let mut container = Container::new(shell);
        for directory in ["the image", DIRECTORY] {
            fs::create_dir(container.path(directory)).expect("a directory can be made");
        }
        container.write(SOURCE, PROGRAM);
        container.set("TVSI_ENV_SCRIPT", SCRIPT);
        container
    }

    fn arguments(container: &Container) -> Vec<String> {
        let mut arguments = [SOURCE, DIRECTORY]
            .map(|name| container.path(name))
            .to_vec();
        arguments.extend(PATTERNS.map(str::to_owned));
        arguments
    }

    fn run(container: &Container) -> Running<'_> {
        container.run("env-init.sh", &arguments(container))
    }

    fn in_directory(file: &str) -> String {
        format!("{DIRECTORY}/{file}")
    }

    /// What each of the files is before the script runs.
    fn write_all(container: &Container, content: &str) {
        for file in FILES {
            container.write(&in_directory(file), content);
        }
    }

    #[track_caller]
    fn has_brought_all(container: &Container) {
        let volume = fs::read_dir(container.path(DIRECTORY)).expect("it is a directory");
        let names = volume.map(|file| file.expect("it can be read").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, FILES, "something is missing or left");
        let denied = PATTERNS.map(|pattern| format!("{pattern}\n")).concat();
        for (file, content, mode) in [
            ("busybox", PROGRAM, 0o755),
            ("denied-names", denied.as_bytes(), 0o644),
            ("env.sh", SCRIPT.as_bytes(), 0o644),
        ] {
            let file = in_directory(file);
            assert_eq!(container.read_bytes(&file), content, "{file}");
            let metadata = fs::metadata(container.path(&file)).expect("it was read");
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{file}");
        }
    }

    #[test]
    fn brings_all_byte_for_byte_for_all_to_use() {
        under_each_shell(|shell| {
            for mode in [0o755, 0o700, 0o644, 0o400] {
                for umask in ["umask 022", "umask 077", "umask 0"] {
                    let container = container(shell);
                    fs::set_permissions(container.path(SOURCE), fs::Permissions::from_mode(mode))
                        .expect("it is ours");
                    container
                        .run_after(umask, "env-init.sh", &arguments(&container))
                        .ends_with(0);
                    has_brought_all(&container);
                    assert_eq!(container.read_bytes(SOURCE), PROGRAM);
                }
            }
        });
    }

    #[test]
    fn no_name_need_be_denied() {
        under_each_shell(|shell| {
            let container = container(shell);
            let arguments = [SOURCE, DIRECTORY].map(|name| container.path(name));
            container.run("env-init.sh", &arguments).ends_with(0);
            assert_eq!(container.read(&in_directory("denied-names")).trim(), "");
        });
    }

    #[test]
    fn what_is_there_is_replaced_as_a_whole() {
        under_each_shell(|shell| {
            let container = container(shell);
            let before = "a text that is longer than any that comes in its place ".repeat(9);
            write_all(&container, &before);
            let kept = |file: &str| format!("before {file}");
            for file in FILES {
                let [file, kept] = [in_directory(file), kept(file)].map(|it| container.path(&it));
                fs::hard_link(file, kept).expect("a link can be made");
            }
            run(&container).ends_with(0);
            has_brought_all(&container);
            for file in FILES {
                assert_eq!(container.read(&kept(file)), before, "it was written into");
            }
        });
    }

    /// A restarted pod sandbox runs the init containers again.
    #[test]
    fn a_busybox_that_is_running_is_replaced() {
        under_each_shell(|shell| {
            let container = container(shell);
            let busybox = find_program("busybox").expect("busybox is on PATH");
            fs::copy(busybox, container.path(SOURCE)).expect("a program can be copied");
            run(&container).ends_with(0);
            let mut command = Command::new(container.path(&in_directory("busybox")));
            command.args(["sleep", "1000"]);
            let _running = container.start(command);
            container.write(SOURCE, PROGRAM);
            run(&container).ends_with(0);
            has_brought_all(&container);
        });
    }

    #[test]
    fn what_a_broken_off_try_has_left_is_not_an_obstacle() {
        under_each_shell(|shell| {
            let container = container(shell);
            for file in FILES {
                let left = "half of a text that is longer than the one to be written ".repeat(9);
                container.write(&in_directory(&format!("{file}.new")), left);
            }
            run(&container).ends_with(0);
            has_brought_all(&container);
        });
    }

    #[test]
    fn a_failure_is_reported_by_the_status_and_leaves_what_is_there() {
        under_each_shell(|shell| {
            let container = container(shell);
            write_all(&container, "before");
            let [source, directory] = [SOURCE, DIRECTORY].map(|name| container.path(name));
            let missing = container.path("missing");
            let a_file = container.path("log");
            for (source, directory) in [
                (&missing, &directory),
                (&container.path("the image"), &directory),
                (&source, &missing),
                (&source, &a_file),
            ] {
                let status = container.run("env-init.sh", &[source, directory]).status();
                assert!(!status.success(), "{source} to {directory}: {status}");
                assert!(!container.messages().is_empty(), "it does not say why");
            }
            for file in FILES {
                assert_eq!(container.read(&in_directory(file)), "before", "{file}");
            }
        });
    }

    /// Each file that cannot be written is a failure, and is not put in place.
    #[test]
    fn a_full_volume_is_reported_by_the_status() {
        under_each_shell(|shell| {
            for file in FILES {
                let container = container(shell);
                write_all(&container, "before");
                let new = container.path(&in_directory(&format!("{file}.new")));
                std::os::unix::fs::symlink("/dev/full", new).expect("a link can be made");
                let status = run(&container).status();
                assert!(!status.success(), "{file}: {status}");
                assert_eq!(container.read(&in_directory(file)), "before");
            }
        });
    }

    /// A shell would take an empty one for a success, without the application.
    #[test]
    fn without_the_text_of_the_script_it_fails() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.set("TVSI_ENV_SCRIPT", "");
            let status = run(&container).status();
            assert!(!status.success(), "{status}");
            assert!(!container.has(&in_directory("env.sh")), "it was written");
        });
    }

    /// Only under dash: Debian's busybox has them within itself.
    #[test]
    fn a_step_that_fails_is_reported_by_the_status_and_leaves_what_is_there() {
        for (step, others) in [
            ("cp", ["chmod", "mv"]),
            ("chmod", ["cp", "mv"]),
            ("mv", ["cp", "chmod"]),
        ] {
            let mut container = container(Shell::Dash);
            write_all(&container, "before");
            container.has_only(&[&["dash"], others.as_slice()].concat());
            let status = run(&container).status();
            assert!(!status.success(), "without {step}: {status}");
            for file in FILES {
                let content = container.read(&in_directory(file));
                assert_eq!(content, "before", "without {step}: {file}");
            }
        }
    }
}

mod notify {
    use super::*;

    /// As long as the command may take. Held, so that a test says when this is over.
    const SECONDS: &str = "9";

    fn container(shell: Shell) -> Container {
        let mut container = Container::new(shell);
        container.hold_sleeps_of(SECONDS);
        container
    }

    fn run<'a>(container: &'a Container, command: &str) -> Running<'a> {
        container.run("notify.sh", &[command, SECONDS])
    }

    #[test]
    fn a_command_that_succeeds_is_not_spoken_of_and_its_output_passes() {
        under_each_shell(|shell| {
            let container = container(shell);
            let mut notify = run(&container, "echo first; application; echo last");
            notify.ends_with(0);
            assert_eq!(notify.output_when_all_has_ended(), "first\nlast\n");
            assert_eq!(container.messages(), "");
            assert!(container.has("arguments"), "the application was not called");
        });
    }

    #[test]
    fn a_command_that_fails_is_logged_and_not_a_failure() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.program_does("echo all of it; exit 3");
            let mut notify = run(&container, "application");
            notify.ends_with(0);
            assert_eq!(notify.output_when_all_has_ended(), "all of it\n");
            assert!(container.messages().contains("status 3"));
        });
    }

    #[test]
    fn a_missing_program_is_logged_and_not_a_failure() {
        under_each_shell(|shell| {
            let container = container(shell);
            run(&container, "no-such-program --now").ends_with(0);
            let messages = container.messages();
            assert!(messages.contains("no-such-program"), "{messages}");
            assert!(messages.contains("status 127"), "{messages}");
        });
    }

    #[test]
    fn the_command_arrives_verbatim() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.set("GREETING", "good  day");
            let command = "set -- 'one, two' \"it's\"\n\
                application \"$@\" \"$GREETING\" '$GREETING' \\$ \"$(echo a; echo b)\" \\\\ '\\n' é \\\n last";
            run(&container, command).ends_with(0);
            assert_eq!(
                container.arguments(),
                [
                    "one, two",
                    "it's",
                    "good  day",
                    "$GREETING",
                    "$",
                    "a\nb",
                    "\\",
                    "\\n",
                    "é",
                    "last"
                ]
            );
        });
    }

    #[test]
    fn a_command_that_hangs_can_clean_up_and_is_not_a_failure() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            let until_it_is_killed = "2";
            container.hold_sleeps_of(&[SECONDS, until_it_is_killed].join(" "));
            container.program_does("run_until_term 4");
            let mut notify = run(&container, "exec application");
            container.wait_for_log("application: started");
            container.let_one_sleeper_go(SECONDS);
            container.wait_for_log("application: got TERM");
            container.let_one_sleeper_go(until_it_is_killed);
            notify.ends_with(0);
            notify.output_when_all_has_ended();
            assert!(container.messages().contains("status 4"));
        });
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_that_it_started() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.program_does("note started; stay");
            let mut notify = run(
                &container,
                "(application & wait) & application & application",
            );
            container.wait_for_log_again("application: started", 2);
            container.let_one_sleeper_go(SECONDS);
            notify.ends_with(0);
            notify.output_when_all_has_ended();
        });
    }

    #[test]
    fn a_command_that_hangs_and_ignores_term_is_killed_with_all_that_it_started() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.program_does("note started; stay");
            let mut notify = run(&container, "trap '' TERM; application & application");
            container.wait_for_log_again("application: started", 1);
            container.let_one_sleeper_go(SECONDS);
            notify.ends_with(0);
            notify.output_when_all_has_ended();
            assert!(container.messages().contains("status 137"));
        });
    }

    #[test]
    fn what_a_hanging_command_started_is_killed_even_if_only_that_ignores_term() {
        under_each_shell(|shell| {
            let mut container = container(shell);
            container.program_does("note started; stay");
            let mut notify = run(&container, "(trap '' TERM; application) & application");
            container.wait_for_log_again("application: started", 1);
            container.let_one_sleeper_go(SECONDS);
            notify.ends_with(0);
            notify.output_when_all_has_ended();
        });
    }

    #[test]
    fn left_to_itself_it_ends_before_consul_template_would_end_it() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.hold_sleeps_of("25");
            container.program_does("note started; stay");
            let mut notify = container.run("notify.sh", &["application"]);
            container.wait_for_log("application: started");
            container.wait_for_log("sleep 25");
            container.let_one_sleeper_go("25");
            notify.ends_with(0);
            notify.output_when_all_has_ended();
        });
    }

    /// Only under dash: Debian's busybox has setsid within itself.
    #[test]
    fn without_setsid_the_command_itself_is_still_ended() {
        let mut container = container(Shell::Dash);
        container.has_only(&["dash", "sh", "rm", "env"]);
        container.program_does("note started; stay");
        let mut notify = run(&container, "exec application");
        container.wait_for_log("application: started");
        container.let_one_sleeper_go(SECONDS);
        notify.ends_with(0);
        notify.output_when_all_has_ended();
        // The stand-in for the two seconds until KILL is short: on a busy machine KILL may come first.
        let messages = container.messages();
        let ended = ["status 143", "status 137"];
        assert!(
            ended.iter().any(|status| messages.contains(status)),
            "{messages}"
        );
    }
}

mod wait_for_secrets {
    use super::*;

    fn run<'a>(container: &'a Container, seconds: &str, hook: &[&str]) -> Running<'a> {
        let files = [container.path("first"), container.path("second one")];
        let mut arguments = vec![seconds.to_owned()];
        arguments.extend(files);
        arguments.extend(hook.iter().map(|&argument| argument.to_owned()));
        container.run("wait-for-secrets.sh", &arguments)
    }

    #[test]
    fn files_that_are_there_are_not_waited_for() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            container.write("first", "");
            container.write("second one", "");
            run(&container, "0", &[]).ends_with(0);
            assert!(container.log().is_empty());
        });
    }

    #[test]
    fn the_hook_runs_once_all_files_have_come_and_gets_its_arguments_verbatim() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            let hook = [&["--", "application"], AWKWARD_ARGUMENTS.as_slice()].concat();
            let mut waiting = run(&container, "100000", &hook);
            for file in ["first", "second one"] {
                let polls = container.times_logged("sleep 1");
                container.wait_for_log_again("sleep 1", polls + 1);
                assert!(
                    !container.has("arguments"),
                    "the hook ran before {file} came"
                );
                container.write(file, "");
            }
            waiting.ends_with(0);
            assert_eq!(container.arguments(), AWKWARD_ARGUMENTS);
        });
    }

    #[test]
    fn ends_with_the_status_of_the_hook() {
        under_each_shell(|shell| {
            let mut container = Container::new(shell);
            container.program_does("exit 5");
            container.write("first", "");
            container.write("second one", "");
            run(&container, "9", &["--", "application"]).ends_with(5);
        });
    }

    #[test]
    fn a_file_that_does_not_come_in_time_is_named_and_the_hook_not_run() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            container.write("first", "");
            run(&container, "3", &["--", "application"]).ends_with(1);
            let messages = container.messages();
            assert!(
                messages.contains(&container.path("second one")),
                "{messages}"
            );
            assert!(!messages.contains(&container.path("first")), "{messages}");
            assert!(!container.has("arguments"), "the hook ran");
            assert_eq!(container.times_logged("slept 1"), 3);
        });
    }

    /// The time is for all files together: a kubelet's patience does not grow with their number.
    #[test]
    fn the_time_is_for_all_files_together() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            let mut waiting = run(&container, "40", &[]);
            container.wait_for_log_again("slept 1", 4);
            container.write("first", "");
            waiting.ends_with(1);
            assert_eq!(container.times_logged("slept 1"), 40);
        });
    }

    #[test]
    fn a_hook_without_a_command_is_none() {
        under_each_shell(|shell| {
            let container = Container::new(shell);
            container.write("first", "");
            container.write("second one", "");
            run(&container, "9", &["--"]).ends_with(0);
            assert_eq!(container.messages(), "");
        });
    }
}

/// What the API server answers to a request for the pod.
enum Answer<'a> {
    /// What `label` makes of the pod: a line `NAME EXIT-CODE` for each container, without a code for
    /// one that has not ended.
    Pod(&'a str),
    /// A pod that breaks off, as kubectl reports with its status.
    BrokenOffPod(&'a str),
    /// A pod at which `label` fails after it has written something.
    UnreadablePod(&'a str),
    Error(&'a str),
    /// None, until `timeout` ends kubectl, with this status of its own.
    CutOff(u8),
    Never,
}

use Answer::{BrokenOffPod, CutOff, Error, Never, Pod, UnreadablePod};

/// kubectl's own words, as its version 1.33 says them.
const FORBIDDEN: Answer<'_> = Error(
    "Error from server (Forbidden): pods \"orders-x2x\" is forbidden: User \
     \"system:serviceaccount:shop:order-runner\" cannot get resource \"pods\" in API group \"\" in \
     the namespace \"shop\"",
);
const UNREACHABLE: Answer<'_> = Error("Unable to connect to the server: EOF");

fn container_in_job(shell: Shell, answers: &[Answer<'_>]) -> Container {
    let mut container = Container::new(shell);
    container.set("POD_NAMESPACE", "shop");
    container.set("POD_NAME", "orders-x2x");
    container.set("POD_SERVICE_ACCOUNT", "order-runner");
    for (index, answer) in answers.iter().enumerate() {
        let commands = match answer {
            Pod(pod) => format!("cat <<'END'\n{pod}\nEND\n"),
            BrokenOffPod(pod) => format!("cat <<'END'\n{pod}\nEND\nexit 1\n"),
            UnreadablePod(pod) => format!("cat <<'END'\nunreadable\n{pod}\nEND\n"),
            Error(message) => format!("cat >&2 <<'END'\n{message}\nEND\nexit 1\n"),
            CutOff(status) => format!("exit {status}\n"),
            Never => "exec \"$TVSI_TEST_SLEEP\" 1000\n".to_owned(),
        };
        container.write(&format!("answers/{}", index + 1), &commands);
        container.write("answers/last", &commands);
    }
    container
}

/// The requests so far, each of which must be for the pod itself.
fn requests(container: &Container) -> Vec<String> {
    let requests: Vec<String> = container
        .read("requests")
        .lines()
        .map(str::to_owned)
        .collect();
    for request in &requests {
        let path = request.split_once("--raw ").map(|(_, path)| path);
        assert_eq!(
            path,
            Some("/api/v1/namespaces/shop/pods/orders-x2x"),
            "{request}"
        );
    }
    requests
}

mod job_babysitter {
    use super::*;

    fn run<'a>(container: &'a Container, signal: &str, containers: &[&str]) -> Running<'a> {
        let signal = container.path(signal);
        container.run(
            "job-babysitter.sh",
            &[&[signal.as_str()], containers].concat(),
        )
    }

    /// The answers but the last must not be taken for the end of the job, and the last must be.
    #[track_caller]
    fn ends_only_at_the_last(shell: Shell, containers: &[&str], answers: &[Answer<'_>]) {
        let container = container_in_job(shell, answers);
        run(&container, "signal", containers).ends_with(0);
        let asked = requests(&container).len();
        assert_eq!(asked, answers.len(), "it read answer {asked} as the end");
        assert!(container.has("signal"), "it gave no signal");
    }

    #[test]
    fn waits_for_every_container_of_the_job_and_no_other() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["app=Never", "report=Never"],
                &[
                    Pod("app \nreport \nproxy "),
                    Pod("app 0\nreport \nproxy "),
                    Pod("app 0\nreport \nproxy 0"),
                    Pod("app 0\nreport 0\nproxy "),
                ],
            );
        });
    }

    #[test]
    fn a_failed_try_that_will_be_repeated_is_not_the_end() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["app=OnFailure"],
                &[
                    Pod("app "),
                    Pod("app 1"),
                    Pod("app "),
                    Pod("app 137"),
                    Pod("app 0"),
                ],
            );
        });
    }

    #[test]
    fn exit_codes_that_have_a_0_in_them_are_failures() {
        under_each_shell(|shell| {
            let answers = [Pod("app 10"), Pod("app 100"), Pod("app 101"), Pod("app 0")];
            ends_only_at_the_last(shell, &["app=OnFailure"], &answers);
        });
    }

    #[test]
    fn a_container_that_is_never_restarted_has_ended_whatever_its_exit_code() {
        under_each_shell(|shell| {
            for end in ["app 1", "app 0", "app 137"] {
                ends_only_at_the_last(shell, &["app=Never"], &[Pod("app "), Pod(end)]);
            }
        });
    }

    #[test]
    fn each_container_has_its_own_policy() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["retried=OnFailure", "once=Never"],
                &[
                    Pod("once 3\nretried 3"),
                    Pod("once \nretried 0"),
                    Pod("once 3\nretried 0"),
                ],
            );
        });
    }

    #[test]
    fn a_name_that_is_the_beginning_or_the_end_of_another_is_not_mistaken_for_it() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["app=Never", "app-db=Never", "my-app=Never"],
                &[
                    Pod("app \napp-db 0\nmy-app 0"),
                    Pod("app 0\napp-db \nmy-app 0"),
                    Pod("app 0\napp-db 0\nmy-app "),
                    Pod("my-app 0\napp-db 0\napp 0"),
                ],
            );
        });
    }

    #[test]
    fn a_container_without_a_status_has_not_ended() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["app=Never", "late=OnFailure"],
                &[
                    Pod(""),
                    Pod("app 0"),
                    Pod("app 0\nlate "),
                    Pod("app 0\nlate 0"),
                ],
            );
        });
    }

    #[test]
    fn errors_of_the_api_server_are_waited_out() {
        under_each_shell(|shell| {
            ends_only_at_the_last(
                shell,
                &["app=Never"],
                &[
                    UNREACHABLE,
                    Pod("app "),
                    BrokenOffPod("app 0"),
                    UnreadablePod("app 0"),
                    FORBIDDEN,
                    UNREACHABLE,
                    UNREACHABLE,
                    Pod("app 0"),
                ],
            );
        });
    }

    #[test]
    fn after_term_it_ends_without_the_signal() {
        under_each_shell(|shell| {
            let mut container = container_in_job(shell, &[Pod("app ")]);
            let between_requests = "2";
            container.hold_sleeps_of(between_requests);
            let mut babysitter = run(&container, "signal", &["app=Never"]);
            container.wait_for_log("sleep 2");
            babysitter.send("TERM");
            babysitter.ends_with(0);
            assert!(!container.has("signal"), "the job was not done");
        });
    }

    #[test]
    fn a_signal_that_cannot_be_given_is_tried_again() {
        under_each_shell(|shell| {
            let container = container_in_job(shell, &[Pod("app 0")]);
            let mut babysitter = run(&container, "late/signal", &["app=Never"]);
            container.wait_for_log("slept 1");
            fs::create_dir(container.path("late")).expect("a directory can be made");
            babysitter.ends_with(0);
            assert!(container.has("late/signal"), "it gave no signal");
        });
    }

    fn pod_with(container_statuses: &str) -> String {
        format!(
            r#"{{"kind":"Pod","apiVersion":"v1",
"metadata":{{"name":"orders-x2x","generateName":"orders-","namespace":"shop",
  "uid":"6a1d0a3e-3f0e-4a8e-9f4e-0c5b6f2f8f10","resourceVersion":"4711",
  "labels":{{"batch.kubernetes.io/job-name":"orders"}},
  "annotations":{{"example.org/note":"100%s \\n \"$(HOME)\" `id` né ☃\ttab","empty":""}},
  "managedFields":[{{"manager":"kubelet","operation":"Update","apiVersion":"v1",
    "fieldsType":"FieldsV1","fieldsV1":{{"f:status":{{}}}},"subresource":"status"}}]}},
"spec":{{"restartPolicy":"OnFailure","fieldNewerThanKubectl":{{"set":true}},"containers":[
  {{"name":"app","image":"registry.example.org/orders:1.0","args":["printf '%s\\n' \"$1\""],
    "resources":{{}},"terminationMessagePath":"/dev/termination-log"}},
  {{"name":"report","image":"registry.example.org/report:1.0","resources":{{}}}},
  {{"name":"proxy","image":"registry.example.org/proxy:1.0","resources":{{}}}}]}},
"status":{{"phase":"Running","podIP":"10.0.0.7",
  "initContainerStatuses":[{{"name":"init","ready":true,"restartCount":0,
    "state":{{"terminated":{{"exitCode":0,"reason":"Completed"}}}}}}]{container_statuses}}}}}"#
        )
    }

    fn container_statuses(states: &[(&str, &str)]) -> String {
        let of_one = |(name, state): &(&str, &str)| {
            format!(
                r#"{{"name":"{name}","image":"i","imageID":"i@sha256:0","ready":false,
"restartCount":1,"started":false,"state":{{{state}}},
"lastState":{{"terminated":{{"exitCode":0,"reason":"Completed","containerID":"c://1"}}}}}}"#
            )
        };
        let statuses: Vec<String> = states.iter().map(of_one).collect();
        format!(",\"containerStatuses\":[{}]", statuses.join(","))
    }

    #[test]
    fn the_real_kubectl_reads_the_pod_as_these_tests_suppose() {
        let Some(kubectl) = find_program("kubectl") else {
            // Not with eprintln!, which the test runner would keep to itself.
            let _ = writeln!(
                io::stderr(),
                "NOT RUN: the_real_kubectl_reads_the_pod_as_these_tests_suppose: no kubectl on PATH"
            );
            return;
        };
        const WAITING: &str = r#""waiting":{"reason":"ImagePullBackOff","message":"0 of 0"}"#;
        const RUNNING: &str = r#""running":{"startedAt":"2026-01-02T03:04:05Z"}"#;
        const SUCCEEDED: &str = r#""terminated":{"exitCode":0,"reason":"Completed","finishedAt":"2026-01-02T03:04:05Z"}"#;
        const KILLED: &str = r#""terminated":{"exitCode":137,"reason":"OOMKilled","signal":9}"#;

        under_each_shell(|shell| {
            let states = [
                [("app", WAITING), ("report", WAITING), ("proxy", WAITING)],
                [("app", RUNNING), ("report", KILLED), ("proxy", RUNNING)],
                [("app", KILLED), ("report", KILLED), ("proxy", SUCCEEDED)],
                [
                    ("app", SUCCEEDED),
                    ("report", RUNNING),
                    ("proxy", SUCCEEDED),
                ],
                [("app", SUCCEEDED), ("report", KILLED), ("proxy", RUNNING)],
            ];
            let without_statuses = String::new();
            let pods: Vec<String> = std::iter::once(without_statuses)
                .chain(states.iter().map(|states| container_statuses(states)))
                .map(|statuses| pod_with(&statuses))
                .collect();
            let answers: Vec<Answer<'_>> = pods.iter().map(|pod| Pod(pod)).collect();

            let mut container = container_in_job(shell, &answers);
            container.set("TVSI_TEST_KUBECTL", kubectl.display().to_string());
            run(&container, "signal", &["app=OnFailure", "report=Never"]).ends_with(0);
            assert_eq!(
                requests(&container).len(),
                answers.len(),
                "{}",
                container.messages()
            );
            assert!(container.has("signal"), "it gave no signal");
        });
    }
}

mod job_babysitter_check {
    use super::*;

    const TERMINATION_LOG: &str = "termination-log";

    fn run(container: &Container) -> Running<'_> {
        let termination_log = container.path(TERMINATION_LOG);
        container.run("job-babysitter-check.sh", &[termination_log])
    }

    /// The seconds that the script meant to wait, which its sleeps here did not last.
    fn seconds_waited(container: &Container) -> usize {
        2 * container.times_logged("slept 2")
    }

    #[test]
    fn allowed_at_once() {
        under_each_shell(|shell| {
            let container = container_in_job(shell, &[Pod("app ")]);
            run(&container).ends_with(0);
            assert_eq!(requests(&container).len(), 1);
            assert_eq!(seconds_waited(&container), 0);
            assert!(!container.has(TERMINATION_LOG));
        });
    }

    #[test]
    fn allowed_after_some_refusals() {
        under_each_shell(|shell| {
            let answers = [FORBIDDEN, FORBIDDEN, FORBIDDEN, Pod("app ")];
            let container = container_in_job(shell, &answers);
            run(&container).ends_with(0);
            assert_eq!(requests(&container).len(), 4);
            assert!(!container.has(TERMINATION_LOG));
        });
    }

    #[test]
    fn allowed_once_the_api_server_can_be_reached() {
        under_each_shell(|shell| {
            let answers = [
                UNREACHABLE,
                UNREACHABLE,
                FORBIDDEN,
                UNREACHABLE,
                Pod("app "),
            ];
            let container = container_in_job(shell, &answers);
            run(&container).ends_with(0);
            assert_eq!(requests(&container).len(), 5);
            assert!(!container.has(TERMINATION_LOG));
        });
    }

    #[test]
    fn a_refusal_that_lasts_fails_and_says_what_is_missing() {
        under_each_shell(|shell| {
            let container = container_in_job(shell, &[FORBIDDEN]);
            run(&container).ends_with(1);
            let told = container.read(TERMINATION_LOG);
            for needed in [
                "order-runner",
                "shop",
                "get",
                "pods",
                "Role",
                "native sidecars",
                "annotation",
            ] {
                assert!(told.contains(needed), "{needed:?} is not in {told:?}");
            }
            assert!(
                container.messages().contains(told.trim()),
                "it is not in the log"
            );
            let waited = seconds_waited(&container);
            assert!(
                (20..=60).contains(&waited),
                "a RoleBinding had {waited} s to come"
            );
        });
    }

    #[test]
    fn where_the_api_server_never_answers_the_job_begins_without_the_check() {
        under_each_shell(|shell| {
            let container = container_in_job(shell, &[UNREACHABLE]);
            run(&container).ends_with(0);
            let messages = container.messages();
            for needed in ["API server", "without the check", "Unable to connect"] {
                assert!(messages.contains(needed), "{needed:?} is not in {messages}");
            }
            assert!(!container.has(TERMINATION_LOG));
            let waited = seconds_waited(&container);
            assert!(
                (20..=40).contains(&waited),
                "the API server had {waited} s to answer"
            );
        });
    }

    /// A try that is cut off has lasted ten seconds, which its stand-in here does not.
    #[test]
    fn a_kubectl_that_is_cut_off_each_time_is_not_called_for_longer() {
        under_each_shell(|shell| {
            for cut_off in [CutOff(124), CutOff(143)] {
                let container = container_in_job(shell, &[cut_off]);
                run(&container).ends_with(0);
                let messages = container.messages();
                let told = "without the check: no answer within 10 s";
                assert!(messages.contains(told), "{messages}");
                let waited = 10 * requests(&container).len() + seconds_waited(&container);
                assert!((20..=40).contains(&waited), "it took {waited} s");
            }
        });
    }

    #[test]
    fn once_rejected_it_does_not_begin_without_the_check() {
        under_each_shell(|shell| {
            let mut answers = vec![FORBIDDEN];
            answers.extend((0..40).map(|_| UNREACHABLE));
            answers.push(FORBIDDEN);
            let container = container_in_job(shell, &answers);
            run(&container).ends_with(1);
            assert!(container.read(TERMINATION_LOG).contains("order-runner"));
            assert!(requests(&container).len() > answers.len());
        });
    }

    #[test]
    fn an_image_without_kubectl_fails_at_once() {
        let mut container = container_in_job(Shell::Dash, &[]);
        container.set("PATH", "/nonexistent");
        run(&container).ends_with(1);
        let told = container.read(TERMINATION_LOG);
        assert!(told.contains("kubectl"), "{told}");
    }

    #[test]
    fn fails_even_where_there_is_no_termination_log() {
        under_each_shell(|shell| {
            let container = container_in_job(shell, &[FORBIDDEN]);
            let missing = container.path("missing/termination-log");
            container
                .run("job-babysitter-check.sh", &[missing])
                .ends_with(1);
            assert!(container.messages().contains("order-runner"));
        });
    }

    #[test]
    fn after_term_it_fails_at_once() {
        under_each_shell(|shell| {
            let mut container = container_in_job(shell, &[UNREACHABLE]);
            container.hold_sleeps_of("2");
            let mut check = run(&container);
            container.wait_for_log("sleep 2");
            check.send("TERM");
            check.ends_with(143);
        });
    }
}

/// This one takes the time that the scripts give kubectl.
#[test]
fn a_kubectl_that_hangs_is_cut_off_and_called_again() {
    under_each_shell(|shell| {
        let answers = [Never, Pod("app 0")];
        let job = container_in_job(shell, &answers);
        let mut babysitter = job.run("job-babysitter.sh", &["signal", "app=Never"]);
        let start_of_job = container_in_job(shell, &answers);
        let mut check = start_of_job.run("job-babysitter-check.sh", &["termination-log"]);
        babysitter.ends_with(0);
        check.ends_with(0);
        assert_eq!(requests(&job).len(), 2);
        assert_eq!(requests(&start_of_job).len(), 2);
    });
}

/// kubectl leaves its in-cluster configuration aside, for localhost:8080, as soon as it is given one
/// of its client flags (kubernetes/kubernetes#93474), unless they name the API server.
#[test]
fn kubectl_is_called_so_that_it_uses_its_in_cluster_configuration() {
    under_each_shell(|shell| {
        for (script, arguments) in [
            ("job-babysitter.sh", ["signal", "app=Never"].as_slice()),
            ("job-babysitter-check.sh", &["termination-log"]),
        ] {
            let container = container_in_job(shell, &[Pod("app 0")]);
            container.run(script, arguments).ends_with(0);
            for request in requests(&container) {
                let tells_where = ["--server", "--kubeconfig"]
                    .iter()
                    .any(|flag| request.contains(flag));
                let has_client_flag = request.contains("--request-timeout");
                assert!(
                    tells_where || !has_client_flag,
                    "{script}: kubectl {request}"
                );
            }
        }
    });
}
