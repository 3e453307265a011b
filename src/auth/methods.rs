//! The login methods of Vault Agent, and what the configuration of each takes.

/// A method, as `command/agentproxyshared/auth` of Vault has it.
#[derive(Debug)]
pub struct Known {
    /// As annotations name it.
    pub name: &'static str,
    /// What it needs.
    pub required: &'static [&'static str],
    /// What else it takes.
    pub optional: &'static [&'static str],
    /// What in it is the role, if it has one.
    pub role: Option<&'static str>,
    /// What in it is the path of a service account token, if it reads one.
    pub token: Option<&'static str>,
}

impl Known {
    /// The method of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// All that its configuration takes.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    /// The names of all methods.
    pub fn names() -> impl Iterator<Item = &'static str> {
        METHODS.iter().map(|method| method.name)
    }
}

/// What must be a boolean in JSON: Vault Agent ignores text there.
pub const BOOLEANS: [&str; 1] = ["reload"];

/// What must be a number in JSON: with text, the agent of some methods ends.
pub const NUMBERS: [&str; 3] = [
    "credential_poll_interval",
    "role_session_expiration",
    "session_expiration",
];

const METHODS: [Known; 13] = [
    Known {
        name: "kubernetes",
        required: &["role"],
        optional: &["token_path"],
        role: Some("role"),
        token: Some("token_path"),
    },
    Known {
        name: "approle",
        required: &["role_id_file_path"],
        optional: &[
            "secret_id_file_path",
            "remove_secret_id_file_after_reading",
            "secret_id_response_wrapping_path",
        ],
        role: None,
        token: None,
    },
    Known {
        name: "jwt",
        required: &["path", "role"],
        optional: &[
            "remove_jwt_after_reading",
            "remove_jwt_follows_symlinks",
            "jwt_read_period",
        ],
        role: Some("role"),
        token: Some("path"),
    },
    Known {
        name: "cert",
        required: &[],
        optional: &[
            "name",
            "ca_cert",
            "client_cert",
            "client_key",
            "reload",
            "reload_period",
        ],
        role: Some("name"),
        token: None,
    },
    Known {
        name: "aws",
        required: &["type", "role"],
        optional: &[
            "access_key",
            "secret_key",
            "session_token",
            "region",
            "header_value",
            "nonce",
            "credential_poll_interval",
        ],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "azure",
        required: &["role", "resource"],
        optional: &[
            "object_id",
            "client_id",
            "scope",
            "authenticate_from_environment",
        ],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "gcp",
        required: &["type", "role"],
        optional: &["credentials", "service_account", "project", "jwt_exp"],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "alicloud",
        required: &["role", "region"],
        optional: &[
            "credential_poll_interval",
            "access_key",
            "access_secret",
            "access_token",
            "role_arn",
            "role_session_name",
            "role_session_expiration",
            "private_key",
            "public_key_id",
            "session_expiration",
            "role_name",
        ],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "cf",
        required: &["role"],
        optional: &[],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "oci",
        required: &["type", "role"],
        optional: &["credential_poll_interval"],
        role: Some("role"),
        token: None,
    },
    Known {
        name: "kerberos",
        required: &[
            "username",
            "service",
            "realm",
            "keytab_path",
            "krb5conf_path",
        ],
        optional: &["disable_fast_negotiation"],
        role: None,
        token: None,
    },
    Known {
        name: "ldap",
        required: &["username", "password_file_path"],
        optional: &[
            "remove_password_after_reading",
            "remove_password_follows_symlinks",
            "password_read_period",
        ],
        role: None,
        token: None,
    },
    Known {
        name: "token-file",
        required: &["token_file_path"],
        optional: &[],
        role: None,
        token: None,
    },
];
