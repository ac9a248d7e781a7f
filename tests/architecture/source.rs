//! Source files, and which of their lines are tests. A reader of text, not a parser: it knows this project's
//! formatting.

use std::path::Path;

/// A source file.
pub(crate) struct File {
    /// From the root of the project, such as `src/token/slot.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The files of what is shipped, and of their tests: the program and the crates beside it.
pub(crate) fn sources() -> Vec<File> {
    let beside = files("crates").into_iter().filter(|file| file.path.contains("/src/"));
    files("src").into_iter().chain(beside).collect()
}

/// All Rust files below a folder, in order.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut ahead) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file can be read");
                let path = path.strip_prefix(root).expect("it is below").display().to_string();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl File {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The module at the top of the crate that it belongs to.
    pub(crate) fn module(&self) -> &str {
        let rest = self.path.trim_start_matches("src/");
        rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs")
    }

    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Without comments and without tests.
    pub(crate) fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let own = match self.text.find("#[cfg(test)]\nmod tests {") {
            Some(start) => &self.text[..start],
            None => &self.text,
        };
        own.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}
