//! Follows the links of the pages that lead to other pages of the project, and to headings in them.

use std::path::PathBuf;

/// The pages: each Markdown file of the project that is not fetched or built.
fn pages() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let entries = |directory: &PathBuf| {
        let entries = std::fs::read_dir(directory).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let mut pages: Vec<PathBuf> = entries(&root).into_iter().filter(is_page).collect();
    let mut directories: Vec<PathBuf> =
        ["docs", "deploy", "bench", "config"].map(|name| root.join(name)).into();
    while let Some(directory) = directories.pop() {
        let (below, files): (Vec<_>, Vec<_>) =
            entries(&directory).into_iter().partition(|path| path.is_dir());
        directories.extend(below);
        pages.extend(files.into_iter().filter(is_page));
    }
    pages
}

/// The text without blocks of code and code in a line: what is in them is no link.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    let lines: Vec<_> = lines.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("")).collect();
    lines.join("\n")
}

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(page: &str) -> std::collections::BTreeSet<String> {
    let mut is_code = false;
    let headings = page.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let (mut followed, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("it can be read");
        for after in prose(&text).split("](").skip(1) {
            let link = after.split([')', ' ']).next().unwrap_or_default();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a file is in a directory").join(path),
            };
            let found = match anchor {
                None => target.exists(),
                Some(anchor) => {
                    std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor))
                }
            };
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(followed > 100, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}
