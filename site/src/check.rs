//! Every link of the site leads to a file of it, and to an element there; what leads elsewhere is an address.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};
use html5ever::{
    tendril::StrTendril,
    tokenizer::{BufferQueue, Token, TokenSink, TokenSinkResult, Tokenizer},
};

use crate::pages::PLAYGROUND_PAGE;

/// Its links begin at the root of the server, which is not known.
const NOT_FOUND: &str = "404.html";

/// What of a page matters for links.
#[derive(Default)]
struct Page {
    ids: BTreeSet<String>,
    links: BTreeSet<String>,
}

pub(crate) fn problems(site: &Path) -> Result<Vec<String>> {
    let mut files = BTreeSet::new();
    collect(site, site, &mut files)?;
    let mut pages = BTreeMap::new();
    for file in &files {
        if file.extension().is_some_and(|kind| kind == "html") {
            let text = fs::read_to_string(site.join(file))?;
            pages.insert(file.clone(), Page::read(&text));
        }
    }
    let mut problems = Vec::new();
    for (file, page) in &pages {
        if file == Path::new(NOT_FOUND) {
            continue;
        }
        for link in &page.links {
            if let Some(problem) = problem(link, file, &files, &pages) {
                problems.push(format!("{}: {link}: {problem}", file.display()));
            }
        }
    }
    Ok(problems)
}

/// The paths of all files, relative to the site.
fn collect(site: &Path, directory: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(site, &path, files)?;
        } else {
            files.insert(path.strip_prefix(site)?.to_owned());
        }
    }
    Ok(())
}

fn problem(
    link: &str,
    file: &Path,
    files: &BTreeSet<PathBuf>,
    pages: &BTreeMap<PathBuf, Page>,
) -> Option<&'static str> {
    if let Some((scheme, rest)) = link.split_once(':') {
        let is_address = match scheme {
            "http" | "https" => rest.strip_prefix("//").is_some_and(|host| {
                !host.is_empty() && !host.starts_with('/') && !link.contains(char::is_whitespace)
            }),
            scheme => scheme == "mailto" || scheme == "data",
        };
        return (!is_address).then_some("is not an address");
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => file.to_owned(),
        path => match inside(&file.parent().unwrap_or(file).join(path)) {
            Some(target) => target,
            None => return Some("is outside of the site"),
        },
    };
    // Built on its own, where there is Node.js.
    if target == Path::new(PLAYGROUND_PAGE) {
        return None;
    }
    if !files.contains(&target) {
        return Some("there is no such file");
    }
    let has_it = |page: &Page| page.ids.contains(fragment);
    (!fragment.is_empty() && !pages.get(&target).is_some_and(has_it))
        .then_some("there is no such element")
}

/// A path without `.` and `..`, if it does not lead out of the site.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => normalized.pop().then_some(())?,
            component => normalized.push(component),
        }
    }
    Some(normalized)
}

impl Page {
    fn read(html: &str) -> Self {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(html));
        let tokenizer = Tokenizer::new(Sink::default(), Default::default());
        // Scripts are not run, so that nothing interrupts it.
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }
}

#[derive(Default)]
struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(tag) = token {
            let mut page = self.0.borrow_mut();
            for attribute in tag.attrs {
                let value = attribute.value.to_string();
                match &*attribute.name.local {
                    "id" => page.ids.insert(value),
                    "href" | "src" => page.links.insert(value),
                    _ => continue,
                };
            }
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_found() {
        let page = Page::read(
            r##"<h1 id="a">A</h1><a href="#a">1</a><a href="#b">2</a><a href="in/other.html#c">3</a>
            <img src="missing.svg"><a href="https:/example.org">4</a><a href="../x.html">6</a><a href="https://example.org/x">5</a>"##,
        );
        let other = Page::read(r#"<p id="c"></p><a href="../page.html#a">up</a>"#);
        let pages = [("page.html", page), ("in/other.html", other)];
        let pages = BTreeMap::from(pages.map(|(file, page)| (PathBuf::from(file), page)));
        let files = pages.keys().cloned().collect();
        let found: Vec<_> = pages
            .iter()
            .flat_map(|(file, page)| page.links.iter().map(move |link| (file, link)))
            .filter_map(|(file, link)| Some((&**link, problem(link, file, &files, &pages)?)))
            .collect();
        assert_eq!(
            found,
            [
                ("#b", "there is no such element"),
                ("../x.html", "is outside of the site"),
                ("https:/example.org", "is not an address"),
                ("missing.svg", "there is no such file"),
            ]
        );
    }
}
