//! Reads source files, as far as these tests need to understand them: what is test code, and which modules of
//! the crate a file names. A reader of text, not a parser: it knows this project's formatting.

use std::{collections::BTreeSet, path::Path};

/// A source file.
pub(crate) struct File {
    /// From the root of the project, such as `src/token/slot.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
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

    /// Without comments and without tests.
    pub(crate) fn code(&self) -> String {
        let is_test = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        if is_test {
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

    /// The other modules at the top of the crate that it names.
    pub(crate) fn imports(&self) -> BTreeSet<String> {
        let code = self.code();
        // `super` leads to the top from as many levels down as the file is.
        let up = "super::".repeat(self.path.trim_start_matches("src/").split('/').count());
        let mut names = BTreeSet::new();
        // Elsewhere that is the name of a log target.
        let outside = if self.module() == "main" { "claviger::" } else { "crate::" };
        for root in ["crate::", &up, outside] {
            for (start, _) in code.match_indices(root) {
                let not_the_whole_word =
                    code[..start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                if !not_the_whole_word {
                    first_names(&code[start + root.len()..], &mut names);
                }
            }
        }
        // Not macros, not the names of log targets, not what an inner module finds above itself.
        names.retain(|name| is_module(name) && name != self.module());
        names
    }
}

fn is_module(name: &str) -> bool {
    !name.is_empty() && Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{name}.rs")).is_file()
}

/// The first name of a path, or of each in `{a::…, b::{…}, c}`.
fn first_names(path: &str, names: &mut BTreeSet<String>) {
    let name_of =
        |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else {
        names.insert(name_of(path));
        return;
    };
    let (mut depth, mut expects_name) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            c if expects_name && !c.is_whitespace() => {
                names.insert(name_of(&group[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
}

#[test]
fn it_reads_what_it_has_to() {
    let file = File {
        path: "src/reply/body.rs".into(),
        text: "//! Doc with crate::nothing.\nuse crate::{limit::{a, b}, listen::watch::Busy,\n    secret};\n\
               use super::super::token::X;\nuse super::links;\nfn f() { crate::clock::now() }\npub(crate) fn g() {}\n\
               #[cfg(test)]\nmod tests {\n use crate::emulator;\n}\n"
            .into(),
    };
    let imports: Vec<_> = file.imports().into_iter().collect();
    assert_eq!(imports, ["clock", "limit", "listen", "secret", "token"]);
    assert_eq!(file.module(), "reply");
}
