//! Annotations of the policy: realistic ones, with hostile text wherever text is free, and
//! garbage.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vault_sidecar_injector::Key;

use super::SECRET;

/// Where hostile text goes in the value of an annotation.
pub const SPICE: char = '\u{e000}';
/// The same inside a string literal of a template, where the pod's author writes it as Go has it.
pub const SPICE_IN_LITERAL: char = '\u{e001}';

/// Annotations of a pod, and what the pod must be like for them.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In which [`SPICE`] stands for hostile text.
    pub annotations: Vec<(Key, String)>,
    pub is_job: bool,
    /// Whether secrets become environment variables.
    pub fills_environment: bool,
    /// Whether containers wait in a postStart hook.
    pub has_hook: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Delivery {
    Dynamic,
    Hook,
    Static,
    Environment,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Login {
    Role,
    RoleOfLabel,
    Secret,
    Files,
}

/// Annotations that go together.
pub fn asked() -> BoxedStrategy<Asked> {
    let delivery = prop_oneof![
        4 => Just(Delivery::Dynamic),
        2 => Just(Delivery::Hook),
        2 => Just(Delivery::Static),
        2 => Just(Delivery::Environment),
        1 => Just(Delivery::None),
    ];
    let login = select(vec![
        Login::Role,
        Login::RoleOfLabel,
        Login::Secret,
        Login::Files,
    ]);
    let is_job = prop::bool::weighted(0.3);
    let has_proxy = prop::bool::weighted(0.2);
    (delivery, login, is_job, has_proxy)
        .prop_flat_map(|(delivery, login, is_job, has_proxy)| {
            let is_static = matches!(delivery, Delivery::Static | Delivery::Environment);
            let delivery = match delivery {
                Delivery::Hook if is_job => Delivery::Dynamic,
                other => other,
            };
            let login = match login {
                Login::Files if is_static => Login::Secret,
                other => other,
            };
            let has_proxy = has_proxy || delivery == Delivery::None;
            let asked = Asked {
                annotations: Vec::new(),
                is_job,
                fills_environment: delivery == Delivery::Environment,
                has_hook: delivery == Delivery::Hook,
            };
            let parts = (
                modes(delivery, is_job, has_proxy),
                logins(login),
                files(),
                extras(),
            );
            parts.prop_map(move |(modes, logins, files, extras)| {
                let files = match delivery {
                    Delivery::None => Vec::new(),
                    _ => files,
                };
                let mut annotations = modes;
                annotations.extend(logins);
                annotations.extend(files);
                annotations.extend(extras);
                Asked {
                    annotations,
                    ..asked.clone()
                }
            })
        })
        .boxed()
}

fn modes(
    delivery: Delivery,
    is_job: bool,
    has_proxy: bool,
) -> impl Strategy<Value = Vec<(Key, String)>> {
    let is_true = select(vec!["true", "Yes", "ON", " y "]);
    let sidecars = option::weighted(0.5, select(vec!["classic", "native", "Native"]));
    let engine = option::weighted(0.4, select(vec!["consul-template", "vault-agent"]));
    let port = option::weighted(0.5, 1024_u16..);
    (
        is_true,
        any::<bool>(),
        any::<bool>(),
        sidecars,
        engine,
        port,
    )
        .prop_map(
            move |(is_true, is_explicit, is_deprecated, sidecars, engine, port)| {
                let mut given = vec![(Key::Inject, is_true.to_owned())];
                let mut modes = Vec::new();
                if delivery != Delivery::None && (is_explicit || has_proxy) {
                    modes.push("secrets");
                }
                if has_proxy {
                    modes.push("proxy");
                    given.extend(port.map(|port| (Key::ProxyPort, port.to_string())));
                }
                if is_job && is_deprecated {
                    given.push((Key::Workload, "Job".to_owned()));
                } else if is_job {
                    modes.push("JOB");
                }
                if !modes.is_empty() {
                    given.push((Key::Mode, modes.join(" , ")));
                }
                match delivery {
                    Delivery::Hook => given.push((Key::SecretsHook, is_true.to_owned())),
                    Delivery::Static => given.push((Key::SecretsType, "static".to_owned())),
                    Delivery::Environment => {
                        given.push((Key::SecretsType, "STATIC".to_owned()));
                        given.push((Key::SecretsInjectionMethod, "env".to_owned()));
                    }
                    Delivery::Dynamic | Delivery::None => {}
                }
                // A hook is of no use with native sidecars.
                let sidecars = match delivery {
                    Delivery::Hook => Some("classic"),
                    _ => sidecars,
                };
                given.extend(sidecars.map(|sidecars| (Key::Sidecars, sidecars.to_owned())));
                given.extend(engine.map(|engine| (Key::TemplateEngine, engine.to_owned())));
                given
            },
        )
}

fn logins(login: Login) -> impl Strategy<Value = Vec<(Key, String)>> {
    let role = select(vec![
        "app".to_owned(),
        format!("app {SPICE}"),
        format!("app{SPICE}/x"),
    ]);
    let token = option::weighted(
        0.2,
        select(vec![
            "/var/run/secrets/kubernetes.io/serviceaccount/token".to_owned(),
            "/tokens/vault".to_owned(),
            format!("/tokens/{SPICE}/vault"),
            format!("/tokens/{SPICE}"),
            "/opt/talend/tvsi/token".to_owned(),
            "/opt/talend/secrets/token".to_owned(),
        ]),
    );
    (role, token).prop_map(move |(role, token)| match login {
        Login::Role => [(Key::Role, role)]
            .into_iter()
            .chain(token.map(|token| (Key::SaToken, token)))
            .collect(),
        Login::RoleOfLabel => Vec::new(),
        Login::Secret => vec![
            (Key::Auth, "approle".to_owned()),
            (Key::ApproleSecret, "ids.of-app".to_owned()),
        ],
        Login::Files => vec![(Key::Auth, "AppRole".to_owned())],
    })
}

/// Destinations, paths or templates, and commands, each as many as are needed.
fn files() -> impl Strategy<Value = Vec<(Key, String)>> {
    let file = (destination(), path(), template(), command());
    let delimiters = prop_oneof![
        3 => Just(("{{", "}}")),
        1 => select(vec![("[[", "]]"), ("<%", "%>"), ("{{", "]]"), ("[[", "}}")]),
    ];
    let each = option::weighted(0.3, any::<bool>());
    let kinds = (
        select(vec!["properties", "JSON", "dotenv"]),
        select(vec!["0600", "640", "0444"]),
    );
    let of_files = (each.clone(), each, vec(kinds, 4));
    let parts = (
        vec(file, 1..5),
        any::<bool>(),
        0..5_usize,
        any::<bool>(),
        delimiters,
        of_files,
    );
    parts.prop_map(
        |(files, has_templates, commands, is_plain, delimiters, of_files)| {
            let count = files.len();
            let mut given = Vec::new();
            let joined = |separator: &str, texts: Vec<String>| texts.join(separator);
            if count > 1 || !is_plain {
                let destinations = files.iter().enumerate();
                let destinations = destinations.map(|(index, file)| format!("{index}{}", file.0));
                given.push((
                    Key::SecretsDestination,
                    joined(", ", destinations.collect()),
                ));
            }
            let (format_of_each, permissions_of_each, kinds) = of_files;
            // One for each file, or for all of them.
            let of = |of_each: bool, all: Vec<&str>| match of_each {
                true => all[..count].join(", "),
                false => all[0].to_owned(),
            };
            if let Some(of_each) = permissions_of_each {
                let all = kinds.iter().map(|kind| kind.1).collect();
                given.push((Key::FilePermissions, of(of_each, all)));
            }
            if let Some(of_each) = format_of_each
                && !has_templates
            {
                let all = kinds.iter().map(|kind| kind.0).collect();
                given.push((Key::SecretsFormat, of(of_each, all)));
            }
            if has_templates {
                let (left, right) = delimiters;
                let templates = files.iter();
                let templates =
                    templates.map(|file| file.2.replace("{{", left).replace("}}", right));
                given.push((Key::SecretsTemplate, joined("\n---\n", templates.collect())));
                if (left, right) != ("{{", "}}") {
                    given.push((Key::TemplateLeftDelimiter, left.to_owned()));
                    given.push((Key::TemplateRightDelimiter, right.to_owned()));
                }
            } else if count > 1 || !is_plain {
                let paths = files.iter().map(|file| file.1.clone()).collect();
                given.push((Key::SecretsPath, joined(",", paths)));
            }
            // A single command for several files would be separated at its commas.
            let commands = commands.min(count);
            if commands > 1 || count == 1 {
                let commands = files
                    .iter()
                    .take(commands.max(1))
                    .map(|file| file.3.clone());
                given.push((Key::Notify, joined("\n---\n", commands.collect())));
            }
            given
        },
    )
}

fn destination() -> impl Strategy<Value = String> {
    select(vec![
        ".properties".to_owned(),
        "/a/b.json".to_owned(),
        format!("{SPICE}"),
        format!("/{SPICE}/x"),
    ])
}

fn path() -> impl Strategy<Value = String> {
    select(vec![
        "secret/app/db".to_owned(),
        "secret/data/app".to_owned(),
        "secret/default/app".to_owned(),
        format!("secret/a{SPICE}"),
        format!("secret/default/a{SPICE}/x"),
    ])
}

fn template() -> impl Strategy<Value = String> {
    select(vec![
        format!("{{{{ with secret \"{SECRET}\" }}}}{{{{ .Data.data.x }}}}{{{{ end }}}}"),
        format!("password={SECRET}\n{{{{ range $key, $value := .X }}}}{{{{ $key }}}}{{{{end}}}}"),
        format!("{{{{ with secret \"secret/{SPICE_IN_LITERAL}\" }}}}{SPICE}{{{{ end }}}}"),
        format!("{{{{- /* {SECRET} */ -}}}} a {SPICE}\nb $(HOME) \\$"),
        format!(" {SPICE} {{{{ printf `%s` \"{SPICE_IN_LITERAL}\" }}}}"),
        format!("no action: {SPICE} }}"),
        "{{ .X }}".to_owned(),
        "{{/* 2 */}}{{ .X }}".to_owned(),
    ])
}

fn command() -> impl Strategy<Value = String> {
    select(vec![
        "kill -HUP $(pidof app)".to_owned(),
        format!("wget --header 'X-Token: {SECRET}' http://127.0.0.1/reload"),
        format!("echo {SPICE}"),
        format!("a \\\n\tb; {SPICE}"),
    ])
}

/// Annotations that go with all others.
fn extras() -> impl Strategy<Value = Vec<(Key, String)>> {
    let extra = |key: Key, values: Vec<String>| {
        option::weighted(0.15, select(values))
            .prop_map(move |value| value.map(|value| (key, value)))
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let image = format!("registry.example.org/vault:{SPICE}");
    (
        extra(Key::VaultImage, vec!["openbao:2.5".to_owned(), image]),
        extra(
            Key::VaultNamespace,
            vec!["team".to_owned(), format!("team/{SPICE}")],
        ),
        extra(
            Key::SecretsMountPath,
            vec!["/own".to_owned(), format!("/own/{SPICE}/$(X)")],
        ),
        extra(Key::ShareProcessNamespace, words(&["true", "no"])),
        // Those that the pod does not have are left out.
        extra(
            Key::InjectContainers,
            words(&["app-0", "init-0,app-0", "app-0 , app-1", "init-0"]),
        ),
        extra(Key::JobContainers, words(&["app-0"])),
        extra(Key::RunAsUser, words(&["1000", "65534"])),
        extra(Key::RunAsGroup, words(&["2000"])),
        extra(Key::RunAsSameUser, words(&["true", "no"])),
        amounts(),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, amounts)| {
            let others = [a, b, c, d, e, f, g, h, i].into_iter().flatten();
            others.chain(amounts).collect()
        })
}

/// Requests and limits of the injected programs: the former are never more than the latter, nor than the settings'.
fn amounts() -> impl Strategy<Value = Vec<(Key, String)>> {
    let keys = Key::ALL.iter().copied();
    let keys = keys.filter(|key| key.name().contains("-requests-") || is_limit(*key));
    let keys: Vec<_> = keys.collect();
    let amount = |key: Key| {
        let amounts = match (is_limit(key), key.name().ends_with("-cpu")) {
            (true, true) => vec!["4", "4000m", "5e0"],
            (true, false) => vec!["1Gi", "2e9", "2000000000"],
            (false, true) => vec!["1m", "0.01"],
            (false, false) => vec!["1Mi", "1", "1e6"],
        };
        (Just(key), select(amounts).prop_map(str::to_owned))
    };
    let some = proptest::sample::subsequence(keys, 0..=4);
    let some = prop_oneof![2 => Just(Vec::new()), 1 => some];
    some.prop_flat_map(move |keys| keys.into_iter().map(amount).collect::<Vec<_>>())
}

fn is_limit(key: Key) -> bool {
    key.name().contains("-limits-")
}

/// A value that no annotation, or hardly one, takes.
pub fn garbage() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            " ",
            ",",
            "a,,b",
            "---",
            "\n---\n",
            "{{",
            "{{ end }}",
            "true",
            "8200",
            "0",
            "-1",
            "00",
            "root",
            "1Ki",
            "../..",
            "a\u{0}b"
        ])
        .prop_map(str::to_owned),
        Just(SECRET.to_owned()),
        Just(format!("/{SECRET}")),
        Just(format!("{SECRET},{{{{ {SECRET:?} ")),
        "\\PC{0,20}",
        "(?s).{0,20}",
    ]
}

/// Text that would do harm where it is taken for something else than text.
pub fn hostile() -> impl Strategy<Value = String> {
    let known = select(vec![
        "$(VAULT_ADDR)",
        "$$(HOME)",
        "$é",
        "$(",
        "${HOME}",
        "`id`",
        "$(id)",
        "'; id; '",
        "\"; id; \"",
        "\\",
        "\\\"",
        "\"}]}],\"exit_after_auth\":true,\"x\":[{\"y\":\"",
        "{{ plugin \"id\" }}",
        "}}{{ end }}",
        "*/}}",
        "EOF",
        "-config",
        "--",
        "*",
        "~",
        "%s%n",
        "a/../..",
        "\u{2028}",
        "\u{202e}",
        "\r\n",
        "\t",
        "\n---\n",
        "<!--",
        ", ",
        " ",
        "=",
        "\u{7f}",
    ]);
    let piece = prop_oneof![6 => known.prop_map(str::to_owned), 1 => "\\PC{1,8}"];
    // The letters around it are nowhere else, and keep spaces from being trimmed.
    vec(piece, 1..4).prop_map(|pieces| format!("Zq{}qZ", pieces.concat()))
}

/// `hostile` without what would be rejected in the annotation `key`.
pub fn fitted(key: Key, hostile: &str) -> String {
    let without = |rejected: &dyn Fn(char) -> bool| -> String {
        hostile
            .chars()
            .filter(|letter| !rejected(*letter))
            .collect()
    };
    match key {
        Key::SecretsTemplate => hostile
            .replace("{{", "{-{")
            .replace("[[", "[-[")
            .replace("<%", "<-%")
            .replace("---", "--"),
        Key::Notify => without(&|letter| letter.is_control() && !"\n\r\t".contains(letter))
            .replace("---", "--"),
        Key::VaultImage => without(&|letter| !letter.is_ascii_graphic()),
        // A path that is not plain is rejected.
        Key::SecretsPath => without(&|letter| {
            !(letter.is_ascii() || letter.is_alphanumeric())
                || letter.is_control()
                || ",/?#%".contains(letter)
        }),
        Key::SecretsDestination => without(&|letter| letter.is_control() || ",/".contains(letter)),
        Key::SecretsMountPath | Key::SaToken => {
            without(&|letter| letter.is_control() || ":/".contains(letter))
        }
        _ => without(&|letter| letter.is_control()),
    }
}

/// `text` inside an interpreted Go string literal.
pub fn in_go_literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
