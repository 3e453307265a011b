//! What the policy reports to the author of a manifest: why it is rejected, and what to change in one that is accepted.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a request is rejected: where it is wrong, what is wrong there, and what is expected.
///
/// A value is repeated only where it is a name or one of a few words; of templates and commands, which may hold
/// credentials, only the position and the length.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {}", .0.place, .0.problem)]
// In a box, a result with it is small: moving it about is 20 KB of the module otherwise.
pub struct Rejection(Box<Reason>);

#[derive(Debug, Eq, PartialEq)]
struct Reason {
    place: Place,
    problem: Cow<'static, str>,
    /// Whether a controller that makes pods of a template may add what is missing.
    may_be_filled_in: bool,
}

impl Rejection {
    /// The same, for something that a controller which makes pods of a template may add to them.
    pub fn unless_filled_in(mut self) -> Self {
        self.0.may_be_filled_in = true;
        self
    }

    pub fn may_be_filled_in(&self) -> bool {
        self.0.may_be_filled_in
    }

    /// The same, of one pod template of an object that may have several.
    pub fn in_template(mut self, path: &str) -> Self {
        self.0.problem = in_template(&self.0.problem, path).into();
        self
    }
}

/// A message about one pod template of an object that may have several.
pub fn in_template(message: &str, path: &str) -> String {
    format!("{message} (in {path})")
}

/// Where something is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Place {
    /// By its whole name.
    #[error("annotation {0}")]
    Annotation(String),
    #[error("label {0}")]
    Label(String),
    #[error("container {0}")]
    Container(String),
    #[error("volume {0}")]
    Volume(String),
    /// A field of the object or of the request, by its path.
    #[error("{0}")]
    Field(Cow<'static, str>),
}

impl Place {
    /// The field at this path.
    pub fn field(path: impl Into<Cow<'static, str>>) -> Self {
        Place::Field(path.into())
    }

    /// Rejects the object for what is wrong here: `what is wrong; what is expected`.
    pub fn rejected(self, problem: impl Into<Cow<'static, str>>) -> Rejection {
        #[cold]
        #[inline(never)]
        fn boxed(place: Place, problem: Cow<'static, str>) -> Rejection {
            Rejection(Box::new(Reason {
                place,
                problem,
                may_be_filled_in: false,
            }))
        }
        boxed(self, problem.into())
    }
}

/// Rejects the object for JSON at `path` that cannot be read.
pub fn other_type(path: &str) -> Rejection {
    Place::field(path.to_owned())
        .rejected("does not match the Kubernetes API; a field is missing or has another type")
}

/// Reads the JSON at `path` of the object.
///
/// The messages of libraries quote the JSON: only the path is reported.
pub fn read<'a, T: Deserialize<'a>>(json: &'a RawValue, path: &str) -> Result<T, Rejection> {
    serde_json::from_str(json.get()).map_err(|_| other_type(path))
}

/// What is accepted but should be changed.
#[derive(Debug, Default)]
pub struct Warnings(RefCell<Vec<String>>);

impl Warnings {
    /// Adds one, in the form `where: what is wrong`.
    pub fn add(&self, warning: impl Into<String>) {
        self.0.borrow_mut().push(warning.into());
    }

    /// All of them in the order in which they were found.
    pub fn into_vec(self) -> Vec<String> {
        self.0.into_inner()
    }
}
