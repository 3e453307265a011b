//! The names that everything is published under: the version, the repository and its owner, and the author. Cargo.toml has
//! them once, and `make published` writes them into all other files.

use std::fs;
use std::path::{Path, PathBuf};

use super::artifact_hub;
use crate::support::{read_yaml, root};
use ignore::WalkBuilder;
use regex::{Captures, Regex, escape};

/// The policy's name, whatever its repository is called.
const POLICY: &str = env!("CARGO_PKG_NAME");

/// A version as Cargo has it.
const SEMVER: &str = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?";

/// Has the names that the other files were written with. It is written last, so that a writer that was interrupted can be
/// run again.
const METADATA: &str = "policy-metadata.yml";

#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    pub version: String,
    /// Of the repository on GitHub, as GitHub writes it.
    pub owner: String,
    pub repository: String,
    /// With the address: `NAME <EMAIL>`.
    pub author: String,
}

impl Names {
    /// Those of Cargo.toml.
    pub fn of_cargo() -> Self {
        Self::new(
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_REPOSITORY"),
            env!("CARGO_PKG_AUTHORS"),
        )
    }

    /// Those that the files below `root` were written with.
    pub fn written(root: &Path) -> Self {
        let metadata = read_yaml(&root.join(METADATA));
        let annotation = |name: &str| {
            let value = &metadata["annotations"][format!("io.kubewarden.policy.{name}")];
            value.as_str().unwrap_or_else(|| panic!("{name}: {value}"))
        };
        Self::new(
            annotation("version"),
            annotation("source"),
            annotation("author"),
        )
    }

    fn new(version: &str, source: &str, author: &str) -> Self {
        let name = source.strip_prefix("https://github.com/");
        let (owner, repository) = name
            .and_then(|name| name.split_once('/'))
            .unwrap_or_else(|| panic!("{source} is not https://github.com/OWNER/REPOSITORY"));
        let names = Self {
            version: version.to_owned(),
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            author: author.to_owned(),
        };
        names.contact();
        names
    }

    /// The repository's address.
    pub fn source(&self) -> String {
        format!("https://github.com/{}/{}", self.owner, self.repository)
    }

    /// Where the module is published. Registries take lower case only.
    pub fn module(&self) -> String {
        format!("ghcr.io/{}/policies/{POLICY}", self.owner.to_lowercase())
    }

    /// The author's name and address.
    pub fn contact(&self) -> (&str, &str) {
        let author = self.author.strip_suffix('>');
        author
            .and_then(|author| author.split_once(" <"))
            .unwrap_or_else(|| panic!("the author {:?} is not NAME <EMAIL>", self.author))
    }
}

/// Writes the names into all files below `root`.
pub fn write(root: &Path, names: &Names) {
    for files in [outdated, artifact_hub::outdated] {
        for (path, text) in files(root, names) {
            fs::write(root.join(path), text).unwrap();
        }
    }
}

/// The files below `root` that have other names, and their texts with these.
pub fn outdated(root: &Path, names: &Names) -> Vec<(PathBuf, String)> {
    let forms = Forms::new(&Names::written(root), names);
    let mut files: Vec<_> = texts(root)
        .into_iter()
        .filter_map(|(path, text)| {
            let written = forms.in_text(&path, &text);
            (written != text).then_some((path, written))
        })
        .collect();
    files.sort_by_key(|(path, _)| path == Path::new(METADATA));
    files
}

/// The paths and texts of all files that Git does not ignore.
pub fn texts(root: &Path) -> Vec<(PathBuf, String)> {
    WalkBuilder::new(root)
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            // What is not text names nothing.
            let text = is_file.then(|| fs::read_to_string(entry.path()).ok())??;
            let path = entry.path().strip_prefix(root).unwrap();
            Some((path.to_owned(), text))
        })
        .collect()
}

/// How files name what is published.
struct Forms {
    names: Vec<Form>,
    version: Vec<Form>,
}

/// What is replaced, between what stands around it.
struct Form {
    pattern: Regex,
    new: String,
}

impl Forms {
    fn new(old: &Names, new: &Names) -> Self {
        let form = |before: &str, old: &str, after: &str, new: &str| Form {
            pattern: Regex::new(&format!("({before}){old}({after})")).unwrap(),
            new: new.to_owned(),
        };
        let name = |before: &str, old: &str, after: &str, new: &str| {
            form(before, &escape(old), after, new)
        };
        // Not the beginning of a longer name.
        let end = r"[^\w-]|$";
        let path = |names: &Names| format!("{}/{}", names.owner, names.repository);
        let pages = |names: &Names| {
            format!(
                "{}.github.io/{}",
                names.owner.to_lowercase(),
                names.repository
            )
        };
        let version = |before: &str, after: &str| form(before, SEMVER, after, &new.version);
        let source = escape(&new.source());
        Self {
            names: vec![
                name(r"github\.com[/:]", &path(old), end, &path(new)),
                name("", &pages(old), end, &pages(new)),
                name("", &old.module(), end, &new.module()),
                // The team that reviews.
                name("@", &old.owner, "/maintainers", &new.owner),
                // What verifies signatures.
                name("--github-owner ", &old.owner, end, &new.owner),
                name("--github-repo ", &old.repository, end, &new.repository),
                name("owner: ", &old.owner, r"\s+repo: ", &new.owner),
                name(
                    &format!(r"owner: {}\s+repo: ", escape(&new.owner)),
                    &old.repository,
                    end,
                    &new.repository,
                ),
                // What follows `git clone`.
                name(r"\bcd ", &old.repository, r"\s|/|$", &new.repository),
                name("author: ", &old.author, "", &new.author),
                name(
                    "name: ",
                    old.contact().0,
                    &format!(r"\s+email: {}", escape(old.contact().1)),
                    new.contact().0,
                ),
                name(r"^|[^\w.+-]", old.contact().1, end, new.contact().1),
            ],
            version: vec![
                version(&format!("/{POLICY}:v"), ""),
                version(&format!(r"{source}\S*(?:/|ref=)v"), ""),
                version("--branch v", &format!(" {source}")),
                version("version: v", &format!(r"\s+homepage: {source}")),
                version(r"io\.kubewarden\.policy\.version: ", ""),
            ],
        }
    }

    fn in_text(&self, path: &Path, text: &str) -> String {
        // The changelog tells of earlier versions.
        let version = match path == Path::new("CHANGELOG.md") {
            true => &[][..],
            false => &self.version,
        };
        let forms = self.names.iter().chain(version);
        forms.fold(text.to_owned(), |text, Form { pattern, new }| {
            let replaced = |found: &Captures<'_>| format!("{}{new}{}", &found[1], &found[2]);
            pattern.replace_all(&text, replaced).into_owned()
        })
    }
}

#[test]
fn every_file_has_the_names_of_cargo() {
    let names = Names::of_cargo();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return write(root(), &names);
    }
    for outdated in [outdated, artifact_hub::outdated] {
        let paths: Vec<_> = outdated(root(), &names)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert!(paths.is_empty(), "run `make published`: {paths:?}");
    }
}

/// One edit and one command publish it elsewhere, and the same lead back.
#[test]
fn another_owner_and_repository_take_one_edit() {
    let names = Names::of_cargo();
    let others = Names {
        version: "23.4.5-rc.6".to_owned(),
        owner: "Acme-Corp".to_owned(),
        repository: "vault-injector".to_owned(),
        // Not in this file, where it would be renamed with the others.
        author: names.author.to_uppercase(),
    };
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path();
    let originals = texts(root());
    for (path, text) in &originals {
        fs::create_dir_all(copy.join(path).parent().unwrap()).unwrap();
        fs::write(copy.join(path), text).unwrap();
    }

    write(copy, &others);
    assert_eq!(Names::written(copy), others);
    assert_eq!(outdated(copy, &others), []);
    assert_eq!(artifact_hub::outdated(copy, &others), []);

    let (owner, repository) = (escape(&names.owner), escape(&names.repository));
    let (contact, email) = names.contact();
    let left = [
        format!(r"(?i)(?:github\.com|ghcr\.io)[/:]{owner}/"),
        format!(r"(?i){owner}\.github\.io"),
        format!(r"(?i)owner[ :=]+{owner}\b"),
        format!("@{owner}/"),
        format!(r"repo[ :=]+{repository}\b"),
        format!(r"/{POLICY}:v{}\b", escape(&names.version)),
        escape(contact),
        escape(email),
    ];
    let left = left.map(|pattern| Regex::new(&pattern).unwrap());
    let mut written = 0;
    for (path, text) in texts(copy) {
        // Cargo.toml has what is edited, and the names were given here without an edit.
        if path == Path::new("Cargo.toml") {
            continue;
        }
        for pattern in &left {
            assert_eq!(pattern.find(&text), None, "{}", path.display());
        }
        written += text.matches(&others.source()).count();
    }
    assert!(written > 10, "{written}");

    write(copy, &names);
    for (path, text) in originals {
        let back = fs::read_to_string(copy.join(&path)).unwrap();
        assert!(back == text, "{}", path.display());
    }
}

#[test]
fn only_what_is_published_is_renamed() {
    let named = |version: &str, source: &str, author: &str| Names::new(version, source, author);
    let old = named(
        "0.1.0",
        "https://github.com/someone/injector",
        "someone <a@b.test>",
    );
    let new = named("0.2.0", "https://github.com/Acme/vi", "C <c@d.test>");
    let forms = Forms::new(&old, &new);
    // `make published` must not find them here.
    let in_file = |path: &str, text: &str| {
        let renamed = forms.in_text(Path::new(path), &text.replace("POLICY", POLICY));
        renamed.replace(POLICY, "POLICY")
    };
    let renamed = |text: &str| in_file("README.md", text);
    for (text, expected) in [
        (
            "https://github.com/someone/injector/releases/download/v0.1.0/vsi.tar.gz.",
            "https://github.com/Acme/vi/releases/download/v0.2.0/vsi.tar.gz.",
        ),
        (
            "`https://github.com/someone/injector//deploy/base?ref=v0.1.0`.",
            "`https://github.com/Acme/vi//deploy/base?ref=v0.2.0`.",
        ),
        (
            "git@github.com:someone/injector.git @someone/maintainers",
            "git@github.com:Acme/vi.git @Acme/maintainers",
        ),
        (
            "https://someone.github.io/injector/",
            "https://acme.github.io/vi/",
        ),
        (
            "ghcr.io/someone/policies/POLICY:v0.0.9-rc.1.",
            "ghcr.io/acme/policies/POLICY:v0.2.0.",
        ),
        (
            "registry.example.org/policies/POLICY:v0.1.0",
            "registry.example.org/policies/POLICY:v0.2.0",
        ),
        (
            "owner: someone\n  repo: injector\n",
            "owner: Acme\n  repo: vi\n",
        ),
        ("author: someone <a@b.test>", "author: C <c@d.test>"),
        (
            "- name: someone\n  email: a@b.test\n",
            "- name: C\n  email: c@d.test\n",
        ),
    ] {
        assert_eq!(renamed(text), expected);
    }
    for text in [
        "https://github.com/someone/injector-agent",
        "https://github.com/other/injector v0.1.0",
        "user@someone.org someone.com/secrets secret/someone injector 0.1.0",
        "owner: someone\n  name: injector\n",
        "version: v0.1.0",
        "security-a@b.test",
    ] {
        assert_eq!(renamed(text), text);
    }
    let history = "ghcr.io/someone/policies/POLICY:v0.0.9";
    assert_eq!(
        in_file("CHANGELOG.md", history),
        "ghcr.io/acme/policies/POLICY:v0.0.9"
    );
}
