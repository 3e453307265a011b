//! The pages as the site has them: those at the root of the repository are among the others, and links to files that are not
//! pages lead to the repository.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use mdbook_driver::book::Book;

/// Where the summary is, and most pages.
const DOCS: &str = "docs";
/// Where the playground is in the repository. It is built on its own, into a directory of the site.
const PLAYGROUND: &str = "playground";
pub(crate) const PLAYGROUND_PAGE: &str = "playground/index.html";

/// Where each page is on the site, by where it is in the repository.
type Pages = BTreeMap<PathBuf, PathBuf>;

pub(crate) fn adapt(book: &mut Book, repository: &str) {
    let mut pages = Pages::new();
    book.for_each_chapter_mut(|chapter| {
        if let Some(path) = &mut chapter.path {
            let file = normalized(&Path::new(DOCS).join(&*path));
            *path = match file.strip_prefix(DOCS) {
                Ok(inside) => inside.to_owned(),
                Err(_) if file == Path::new("README.md") => "index.md".into(),
                Err(_) => file.clone(),
            };
            pages.insert(file, path.clone());
        }
    });
    book.for_each_chapter_mut(|chapter| {
        if let Some(source) = &chapter.source_path {
            let file = normalized(&Path::new(DOCS).join(source));
            chapter.content = with_links(&chapter.content, |link| {
                on_the_site(link, &file, &pages, repository)
            });
        }
    });
}

/// A link of a file of the repository, as its page has it.
fn on_the_site(link: &str, file: &Path, pages: &Pages, repository: &str) -> String {
    let (path, fragment) = match link.find('#') {
        Some(at) => link.split_at(at),
        None => (link, ""),
    };
    if path.is_empty() || link.contains(':') {
        return link.to_owned();
    }
    let target = normalized(&file.parent().unwrap_or(file).join(path));
    let is_picture = target
        .extension()
        .is_some_and(|kind| kind == "svg" || kind == "png");
    let on_site = match pages.get(&target) {
        Some(page) => page.clone(),
        None if target == Path::new(PLAYGROUND) => PLAYGROUND_PAGE.into(),
        None => match target.strip_prefix(DOCS) {
            Ok(inside) if is_picture => inside.to_owned(),
            _ => return format!("{repository}/blob/main/{}{fragment}", target.display()),
        },
    };
    let up = pages[file].components().skip(1).map(|_| Path::new(".."));
    let relative: PathBuf = up.chain([on_site.as_path()]).collect();
    format!("{}{fragment}", relative.display())
}

/// Without `.` and `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normalized.pop();
            }
            component => normalized.push(component),
        }
    }
    normalized
}

/// The text with each target of a link or a picture outside code replaced.
fn with_links(text: &str, replaced: impl Fn(&str) -> String) -> String {
    let mut adapted = String::new();
    let mut is_code = false;
    for line in text.split_inclusive('\n') {
        is_code ^= line.trim_start().starts_with("```");
        let mut rest = line;
        while !is_code && let Some((before, target)) = rest.split_once("](") {
            let Some((target, after)) = target.split_once(')') else {
                break;
            };
            adapted += &format!("{before}]({})", replaced(target));
            rest = after;
        }
        adapted += rest;
    }
    adapted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_pictures_and_the_repository() {
        let pages: Pages = [
            ("README.md", "index.md"),
            ("SECURITY.md", "SECURITY.md"),
            ("docs/concepts.md", "concepts.md"),
            ("docs/how-to/files.md", "how-to/files.md"),
        ]
        .map(|(file, page)| (file.into(), page.into()))
        .into();
        for (file, link, expected) in [
            ("README.md", "docs/concepts.md", "concepts.md"),
            ("README.md", "docs/overview.svg", "overview.svg"),
            (
                "README.md",
                "LICENSE",
                "https://repository/blob/main/LICENSE",
            ),
            ("docs/how-to/files.md", "../../README.md", "../index.md"),
            (
                "docs/how-to/files.md",
                "../../SECURITY.md#a",
                "../SECURITY.md#a",
            ),
            ("docs/how-to/files.md", "../overview.svg", "../overview.svg"),
            (
                "docs/how-to/files.md",
                "../examples/a.yaml",
                "https://repository/blob/main/docs/examples/a.yaml",
            ),
            ("docs/concepts.md", "how-to/files.md", "how-to/files.md"),
            (
                "docs/concepts.md",
                "../playground/",
                "playground/index.html",
            ),
            ("docs/concepts.md", "#a", "#a"),
            (
                "docs/concepts.md",
                "https://example.org/a.md",
                "https://example.org/a.md",
            ),
        ] {
            let found = on_the_site(link, Path::new(file), &pages, "https://repository");
            assert_eq!(found, expected, "{file}: {link}");
        }
    }

    #[test]
    fn code_keeps_its_text() {
        let text = "[a](b) ![c](d)\n```\n[e](f)\n```\n[g](h) i](\n";
        let adapted = with_links(text, |link| link.to_uppercase());
        assert_eq!(adapted, "[a](B) ![c](D)\n```\n[e](f)\n```\n[g](H) i](\n");
    }
}
