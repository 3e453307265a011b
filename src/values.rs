//! The values that annotations and settings can have: types that cannot be wrong once they exist.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The most bytes of what must fit an environment variable. An environment string may have 131,071, of which the name takes
/// some; Linux does not start a program with a longer one.
pub const MOST_VARIABLE: usize = 128_000;

/// A type made from text that has passed a check.
pub trait Checked: Sized {
    /// What is expected, for messages.
    const EXPECTED: &'static str;

    /// The values, where the type has a few.
    const NAMES: &'static [&'static str] = &[];

    /// Whether it can be written as a number.
    const TAKES_NUMBERS: bool = false;

    /// The value, if the text is one.
    fn parse(text: &str) -> Option<Self>;

    /// What a boolean stands for, where it is one of the values.
    fn of_boolean(_boolean: bool) -> Option<Self> {
        None
    }

    /// As it is written.
    fn text(&self) -> String;
}

/// Makes a type of one string that has passed a check.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $check:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// A value that is known to be right, as the defaults are.
            #[allow(dead_code, reason = "not every type has a default")]
            pub(crate) fn known(text: &'static str) -> Self {
                debug_assert!(Self::is_valid(text), "{text}");
                $name(Cow::Borrowed(text))
            }

            fn is_valid(text: &str) -> bool {
                let check: fn(&str) -> bool = $check;
                check(text)
            }

            #[allow(dead_code, reason = "not every type is taken apart further")]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Checked for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                Self::is_valid(text).then(|| $name(Cow::Owned(text.to_owned())))
            }

            fn text(&self) -> String {
                self.0.to_string()
            }
        }
    };
}

checked_string!(
    /// The address of Vault's API: without what would make a part of its host of something else.
    Url,
    |text| is_url(text) && !text.contains(['?', '#', '\\', '@', '%']),
    "a URL such as https://vault.example.org:8200"
);

checked_string!(
    /// The address of an HTTP proxy, perhaps with a user and a password.
    ProxyUrl,
    is_url,
    "a URL such as http://proxy.example.org:3128"
);

fn is_url(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':', '?', '#']))
        && is_visible_ascii(text)
}

impl Url {
    /// Whether both are of the same API: a slash at the end means nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.trim_end_matches('/') == other.0.trim_end_matches('/')
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        match host.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether the host is the name of a Service, which only the cluster's DNS knows: one label, or one with `svc`.
    pub fn is_of_cluster(&self) -> bool {
        let host = self.host().trim_end_matches('.').to_ascii_lowercase();
        let mut labels = host.split('.');
        match labels.next() {
            Some(only) if only.len() == host.len() => only != "localhost" && !only.contains(':'),
            _ => labels.any(|label| label == "svc"),
        }
    }
}

checked_string!(
    /// A reference to a container image.
    Image,
    // The registry has the last word.
    |text| is_visible_ascii(text) && text.starts_with(|first: char| first.is_ascii_alphanumeric()),
    "an image such as registry.example.org/hashicorp/vault:2.0.4"
);

fn is_visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

checked_string!(
    /// The path of an auth method below `auth/`.
    AuthPath,
    |text| is_relative_path(text) && is_visible_ascii(text) && !text.contains(['?', '#', '%', '\\']),
    "a mount path without auth/ and without slashes at its ends, such as kubernetes or team/kubernetes"
);

checked_string!(
    /// The path of an auth method, with or without `auth/`.
    AuthMount,
    AuthPath::is_valid,
    "a mount path without slashes at its ends, such as kubernetes or auth/team/kubernetes"
);

/// How Vault Agent logs in: the name of a method. Vault Agent writes `token_file` where this has `token-file`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthMethod(String);

impl AuthMethod {
    /// A name that is known to be right.
    pub(crate) fn known(name: &str) -> Self {
        AuthMethod(name.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Checked for AuthMethod {
    const EXPECTED: &'static str = "the name of a login method, such as kubernetes";

    fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase().replace('_', "-");
        is_dns_label(&name).then_some(AuthMethod(name))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

checked_string!(
    /// A time as Go writes it.
    GoDuration,
    is_go_duration,
    "a time such as 30s, 5m or 1h30m"
);

checked_string!(
    /// A time as Vault's programs take it: as Go writes it, or in seconds.
    Timeout,
    |text| is_go_duration(text) || Count::parse(text).is_some(),
    "a time such as 30s or 5m, or a number of seconds"
);

impl Timeout {
    /// With a unit, which Go's durations need.
    pub fn as_duration(&self) -> String {
        match self.0.bytes().all(|digit| digit.is_ascii_digit()) {
            true => format!("{}s", self.0),
            false => self.0.to_string(),
        }
    }
}

checked_string!(
    /// A part of a whole, between 0 and 1.
    Fraction,
    |text| text.len() <= 16 && decimal(text).is_some_and(|part| part > 0.0 && part <= 1.0),
    "a number above 0 and up to 1, such as 0.9"
);

/// A whole number from 0 up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Count(pub u32);

impl Checked for Count {
    const EXPECTED: &'static str = "a whole number, 0 or more";

    fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain).map(Count)
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Whether Go's `time.ParseDuration` takes it, without a sign.
fn is_go_duration(text: &str) -> bool {
    const UNITS: [&str; 8] = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
    let is_of_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut rest = text;
    // More digits than Go's integers have would be an error of the agent's.
    while !rest.is_empty() && text.len() <= 32 {
        let behind = rest.trim_start_matches(is_of_number);
        let number = &rest[..rest.len() - behind.len()];
        let unit_end = behind.find(is_of_number).unwrap_or(behind.len());
        let is_number = decimal(number).is_some_and(|number| number < 1e9);
        if !is_number || !UNITS.contains(&&behind[..unit_end]) {
            return false;
        }
        rest = &behind[unit_end..];
    }
    !text.is_empty() && rest.is_empty()
}

checked_string!(
    /// A directory in a container: absolute, without `.` or `..`, and not `/`.
    Directory,
    is_directory,
    "an absolute path such as /app/secrets, without ., .., : or a slash at its end"
);

fn is_directory(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..")
    }) && !text.contains(|letter: char| letter.is_control() || letter == ':')
}

checked_string!(
    /// A file name, without directories.
    FileName,
    |text| !text.is_empty()
        && text != "."
        && text != ".."
        && !text.contains(|letter: char| letter == '/' || letter.is_control()),
    "a file name without slashes"
);

checked_string!(
    /// An absolute path of a file, in a directory that is not the root.
    FilePath,
    |text| text.strip_prefix('/').is_some_and(|path| is_relative_path(path) && path.contains('/'))
        && !text.contains(':'),
    "the absolute path of a file in a directory, without :, empty, . or .. segments, such as /etc/app/ca.crt"
);

/// Whether `path` is relative and has no empty, `.` or `..` segment.
pub fn is_relative_path(path: &str) -> bool {
    path.split('/')
        .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// A TCP port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Port(pub u16);

impl Checked for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535";

    fn parse(text: &str) -> Option<Self> {
        let port = text.parse().ok().filter(|port| *port > 0)?;
        text.bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(Port(port))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// The id of a user or group that is not root.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NonRootId(pub i64);

impl Checked for NonRootId {
    const EXPECTED: &'static str = "an id from 1 to 2147483647 (0 is root)";

    fn parse(text: &str) -> Option<Self> {
        let id = text.parse::<i32>().ok().filter(|id| *id > 0)?;
        text.bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(NonRootId(id.into()))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

checked_string!(
    /// Unix permissions in octal.
    FilePermissions,
    |text| (3..=4).contains(&text.len())
        && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
        && (text.len() == 3 || text.starts_with('0'))
        // Consul Template ignores 0, and makes the file one that all can read.
        && text.as_bytes()[text.len() - 3] & 4 != 0,
    "octal permissions as a string, such as \"0644\""
);

impl FilePermissions {
    /// Whether a user who is not the owner can read, who is in the group or not.
    pub fn let_others_read(&self, is_in_group: bool) -> bool {
        let mut digits = self.0.bytes().rev();
        let (others, group) = (digits.next(), digits.next());
        let digit = if is_in_group { group } else { others };
        digit.is_some_and(|digit| digit & 4 != 0)
    }
}

checked_string!(
    /// The prefix of annotations, in front of the slash: a DNS subdomain.
    AnnotationPrefix,
    is_dns_subdomain,
    "a DNS name such as sidecar.vault.example.org, in lower case and without a slash"
);

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(is_inner)
}

checked_string!(
    /// The key of a label.
    LabelKey,
    |text| {
        let name = match text.split_once('/') {
            Some((prefix, name)) if prefix.split('.').all(is_dns_label) => name,
            Some(_) => return false,
            None => text,
        };
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let name = name.as_bytes();
        name.len() <= 63
            && is_end(name.first())
            && is_end(name.last())
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    },
    "a label key such as com.example.application or example.org/application"
);

/// Text in one line.
impl Checked for String {
    const EXPECTED: &'static str = "a text without control characters";

    fn parse(text: &str) -> Option<Self> {
        let is_line = !text.is_empty() && !text.contains(char::is_control);
        is_line.then(|| text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

checked_string!(
    /// The name of a container or a namespace.
    DnsLabel,
    is_dns_label,
    "a name of lower case letters, digits and dashes"
);

checked_string!(
    /// The name of a Secret or ConfigMap: a DNS subdomain.
    ObjectName,
    is_dns_subdomain,
    "the name of an object of the pod's namespace, in lower case"
);

checked_string!(
    /// A key of a Secret or ConfigMap.
    DataKey,
    |text| (1..=253).contains(&text.len())
        && text != "."
        && !text.starts_with("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
    "a key such as ca.crt, of letters, digits, -, _ and ."
);

checked_string!(
    /// Names of environment variables, of which `*` stands for any letters.
    VariablePattern,
    |text| !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_*".contains(&byte)),
    "the name of a variable such as PATH, or names such as LD_*"
);

checked_string!(
    /// The name of an environment variable as shells have it, or the beginning of one.
    VariableName,
    |text| is_name_for_shells(text) && text.len() <= 255,
    "letters, digits and _, of which the first is not a digit, such as DB_PASSWORD"
);

/// Whether a shell can set an environment variable of this name.
pub fn is_name_for_shells(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

checked_string!(
    /// Names of template functions, of which `*` stands for any letters, as Consul Template's denylist has them.
    FunctionPattern,
    |text| !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_*".contains(&byte)),
    "the name of a template function such as plugin, or names such as sprig_*"
);

impl FunctionPattern {
    /// Whether it stands for more than one name.
    pub fn is_pattern(&self) -> bool {
        self.0.contains('*')
    }

    /// Whether it is the name, or one of the names, of this function.
    pub fn matches(&self, function: &str) -> bool {
        matches_stars(&self.0, function)
    }
}

impl VariablePattern {
    /// Whether all names that begin like this are its names.
    pub fn matches_all_below(&self, beginning: &str) -> bool {
        let start = self.0.strip_suffix('*');
        start.is_some_and(|start| !start.contains('*') && beginning.starts_with(start))
    }

    /// Whether it is the name, or one of the names, of this variable.
    pub fn matches(&self, variable: &str) -> bool {
        matches_stars(&self.0, variable)
    }
}

/// Whether a name is of a pattern, in which `*` stands for any letters.
fn matches_stars(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut place, mut letter) = (0, 0);
    // Behind the last star, and the letter from which on the name is to be like what is there.
    let mut again = None;
    while letter < name.len() {
        match pattern.get(place) {
            Some(b'*') => {
                place += 1;
                again = Some((place, letter));
            }
            Some(wanted) if *wanted == name[letter] => {
                place += 1;
                letter += 1;
            }
            _ => match &mut again {
                Some((behind, from)) => {
                    *from += 1;
                    (place, letter) = (*behind, *from);
                }
                None => return false,
            },
        }
    }
    pattern[place..].iter().all(|rest| *rest == b'*')
}

checked_string!(
    /// What begins or ends an action of a template, in place of `{{` or `}}`. What stands in actions itself, such as quotes,
    /// trim marks and commas, cannot be part of it.
    Delimiter,
    |text| (2..=8).contains(&text.len())
        && text.bytes().all(|byte| b"!#%&+:;<=>?@[]^{}~".contains(&byte)),
    "2 to 8 characters of !#%&+:;<=>?@[]^{}~, such as [["
);

impl Delimiter {
    /// What actions of Bank-Vaults' templates begin and end with, which pods cannot choose.
    pub const BANK_VAULTS: [Delimiter; 2] = [
        Delimiter(Cow::Borrowed("${")),
        Delimiter(Cow::Borrowed("}")),
    ];
}

checked_string!(
    /// A Linux capability, or `ALL`.
    Capability,
    |text| !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_'),
    "a capability such as ALL or IPC_LOCK"
);

impl Checked for Quantity {
    const EXPECTED: &'static str = "a quantity such as 25m or 64Mi";
    const TAKES_NUMBERS: bool = true;

    fn parse(text: &str) -> Option<Self> {
        amount(text).map(|_| Quantity(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// The amount that a quantity stands for, to compare it with another. Kubernetes' syntax is a decimal number, and a
/// suffix or an exponent.
pub fn amount(text: &str) -> Option<f64> {
    let number_end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let number = decimal(number)?;
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            power_of_ten(digits.parse().ok()?)
        }
    };
    Some(number * scale)
}

/// A decimal number. The standard library's parser, of all floats, is 18 KB of the module.
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        number = number * 10.0 + f64::from(char::from(digit).to_digit(10)?);
    }
    Some(number / power_of_ten(i32::try_from(fraction.len()).ok()?))
}

fn power_of_ten(exponent: i32) -> f64 {
    let power = (0..exponent.unsigned_abs().min(400)).fold(1.0, |power, _| power * 10.0);
    match exponent < 0 {
        true => 1.0 / power,
        false => power,
    }
}

/// A time in whole seconds, one at least and a day at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seconds(u32);

impl Seconds {
    /// A day.
    pub const MOST: i64 = 86_400;

    /// As Vault Agent and Consul Template read durations.
    pub fn as_duration(self) -> String {
        format!("{}s", self.0)
    }

    /// `None` where there are fewer than one or more than [`MOST`](Self::MOST).
    pub fn new(seconds: i64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok()?;
        (1..=Self::MOST as u32)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

/// Makes an enumeration of names.
macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $first:ident = $first_text:literal $(, $variant:ident = $text:literal)* } $(true $true:ident false $false:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name { $first $(, $variant)* }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $name::$first => $first_text $(, $name::$variant => $text)* }
            }
        }

        impl Checked for $name {
            const EXPECTED: &'static str = concat!("one of ", $first_text $(, ", ", $text)*);
            const NAMES: &'static [&'static str] = &[$first_text $(, $text)*];

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $first_text => Some($name::$first),
                    $($text => Some($name::$variant),)*
                    _ => None,
                }
            }

            $(fn of_boolean(boolean: bool) -> Option<Self> {
                Some(match boolean {
                    true => $name::$true,
                    false => $name::$false,
                })
            })?

            fn text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}

closed_set!(
    /// When the kubelet pulls an image.
    ImagePullPolicy { Always = "Always", IfNotPresent = "IfNotPresent", Never = "Never" }
);

closed_set!(
    /// How much a program logs.
    LogLevel { Trace = "trace", Debug = "debug", Info = "info", Warn = "warn", Error = "error" }
);

closed_set!(
    /// How Vault Agent writes its log.
    LogFormat { Standard = "standard", Json = "json" }
);

closed_set!(
    /// How the sidecars run: as containers beside the application's, or as init containers that keep
    /// running, from before the application's start until after its end.
    Sidecars { Classic = "classic", Native = "native" }
);

closed_set!(
    /// What a pod gets.
    Mode { Secrets = "secrets", Proxy = "proxy", Job = "job" }
);

closed_set!(
    /// What the deprecated annotation `workload` can be.
    WorkloadKind { Job = "job" }
);

closed_set!(
    /// Whether the files follow the secrets, or are fetched once.
    SecretsType { Dynamic = "dynamic", Static = "static" }
);

closed_set!(
    /// How the application gets its secrets.
    InjectionMethod { File = "file", Env = "env" }
);

closed_set!(
    /// What a file with the default template has in it.
    SecretsFormat { Properties = "properties", Json = "json", Dotenv = "dotenv", Map = "map", RawJson = "raw-json" }
);

closed_set!(
    /// Which pods are in mode job automatically: those whose restartPolicy lets them end, those that a Job makes, or
    /// none. A boolean is from before the first of these.
    JobDetection { RestartPolicy = "restartPolicy", Owner = "owner", Off = "off" } true Owner false Off
);

closed_set!(
    /// Whether the proxy adds the agent's token to requests.
    CacheToken { True = "true", Force = "force", False = "false" }
);

closed_set!(
    /// A part of Vault Agent that has connections to Vault.
    AgentFeature { AutoAuth = "auto-auth", Caching = "caching", Proxying = "proxying", Templating = "templating" }
);

closed_set!(
    /// What becomes of the application when its secrets have changed.
    OnChange { None = "none", Restart = "restart" }
);

closed_set!(
    /// Whether something is done.
    Switch { Enabled = "enabled", Disabled = "disabled" }
);

closed_set!(
    /// What renders the templates of dynamic secrets.
    TemplateEngine { ConsulTemplate = "consul-template", VaultAgent = "vault-agent" }
);

closed_set!(
    /// What becomes of pods whose containers may reach the sidecars' processes.
    SharedProcesses { Allow = "allow", Warn = "warn", Refuse = "refuse" }
);

closed_set!(
    /// The kinds of seccomp profile that a container can have.
    SeccompProfileType { RuntimeDefault = "RuntimeDefault", Localhost = "Localhost", Unconfined = "Unconfined" }
);

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T: Checked>(valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(T::parse(text).is_some(), "{text}");
        }
        for text in invalid {
            assert!(T::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn values_are_checked() {
        accepts::<Url>(
            &["https://vault:8200", "http://[::1]:8200/x"],
            &[
                "vault:8200",
                "https://",
                "https://a b",
                "https://:80",
                "https://vault?x",
                "https://vault#x:y",
                "https://user:pass@vault:8200",
                "https://vault\\.test",
            ],
        );
        accepts::<Quantity>(
            &["25m", "64Mi", "1.5", "2", "1e3", "1E"],
            &["64MB", "", "-1", "1.2.3", "m", "1e"],
        );
        accepts::<FilePermissions>(&["0644", "640"], &["0888", "4755", "64"]);
        accepts::<Directory>(
            &["/opt/talend/secrets", "/a"],
            &["/", "/a/", "a", "/a/../b", "/a//b", "/a:b"],
        );
        accepts::<FilePath>(
            &["/a/b"],
            &["/a", "a/b", "/a/../b", "/a/", "/a//b", "", "/a/b:c"],
        );
        accepts::<AnnotationPrefix>(
            &["sidecar.vault.talend.org", "vault"],
            &["", "a/b", "A.b", "-a", "a..b"],
        );
        accepts::<LabelKey>(
            &["com.talend.application", "app.kubernetes.io/name", "App_1"],
            &["", "a/b/c", "-a", "a ", "/a"],
        );
        accepts::<AuthPath>(
            &["kubernetes", "team/kubernetes"],
            &["/kubernetes", "kubernetes/", "", "a b"],
        );
        accepts::<Image>(
            &["hashicorp/vault:2.0.4", "r.example:5000/a@sha256:00"],
            &["", "a b", "-a", "a\n"],
        );
        accepts::<ImagePullPolicy>(&["Always"], &["always"]);
        accepts::<FileName>(&["approle_roleid"], &["a/b", "..", ""]);
        accepts::<Port>(&["1", "8200", "65535"], &["0", "65536", "+1", "", "-1"]);
    }

    #[test]
    fn ids_are_never_root_s() {
        accepts::<NonRootId>(
            &["1", "100", "2147483647", "0100"],
            &[
                "0",
                "00",
                "-0",
                "-1",
                "+1",
                "",
                " 1",
                "1.0",
                "1e3",
                "0x1",
                "root",
                "2147483648",
                "4294967296",
                "18446744073709551617",
                "\u{661}",
            ],
        );
        assert_eq!(NonRootId::parse("0100"), Some(NonRootId(100)));
    }

    #[test]
    fn delimiters_cannot_be_part_of_actions() {
        accepts::<Delimiter>(
            &["[[", "]]", "<%", "%>", "{{", "}}", "<<<<<<<<", "#{", "@@"],
            &[
                "",
                "[",
                "<<<<<<<<<",
                "[ [",
                "((",
                "{{-",
                "--",
                "//",
                "/*",
                "**",
                "\"\"",
                "''",
                "``",
                "$$",
                "||",
                ",,",
                "..",
                "\\\\",
                "[[a",
                "[[\n",
                "\u{ab}\u{ab}",
            ],
        );
    }

    #[test]
    fn a_host_is_what_is_connected_to() {
        for (url, host) in [
            ("https://vault", "vault"),
            ("https://vault:8200", "vault"),
            ("http://vault.vault.svc:8200/v1", "vault.vault.svc"),
            ("http://[::1]:8200/x", "::1"),
            ("http://[fd00::1]", "fd00::1"),
            ("https://10.0.0.1:8200", "10.0.0.1"),
        ] {
            assert_eq!(Url::parse(url).unwrap().host(), host, "{url}");
        }
    }

    #[test]
    fn names_of_services_are_of_the_cluster() {
        for (host, is_of_cluster) in [
            ("vault", true),
            ("Vault:8200", true),
            ("vault.", true),
            ("vault.vault.svc", true),
            ("vault.vault.SVC:8200", true),
            ("vault.vault.svc.cluster.local", true),
            ("vault.vault.svc.cluster.local.", true),
            ("vault.vault.svc.example.org", true),
            ("localhost", false),
            ("LOCALHOST:8200", false),
            ("127.0.0.1", false),
            ("[::1]:8200", false),
            ("vault.example.org", false),
            ("svc.example.org", false),
            ("vault.svc2.example.org", false),
        ] {
            let url = Url::parse(&format!("https://{host}")).unwrap();
            assert_eq!(url.is_of_cluster(), is_of_cluster, "{host}");
        }
    }
}
