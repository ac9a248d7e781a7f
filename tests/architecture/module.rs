//! What one module says of itself: the names that it defines, its `use`s, and the paths and bare names that its
//! code uses. Nothing is looked up here.

use std::collections::BTreeSet;

use crate::words::{is_name, shipped};

/// A module: a file, or `mod name { … }` in one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Such as `claviger::token::slot`.
    pub(crate) key: String,
    pub(crate) file: String,
    pub(crate) items: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    /// Such as `["crate", "clock", "now"]`, each of two names at least.
    pub(crate) paths: Vec<Vec<String>>,
    /// Names without a path: those of types and constants, and what is called.
    pub(crate) bare: BTreeSet<String>,
}

/// One name that a `use` brings in.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// `*` for all there are.
    pub(crate) name: String,
    /// `pub use`, `pub(crate) use` and the like.
    pub(crate) is_public: bool,
}

const DEFINE: [&str; 9] = ["struct", "enum", "union", "trait", "fn", "const", "static", "type", "mod"];

/// The modules of a file, its own first.
pub(crate) fn read(key: &str, file: &str, text: &str) -> Vec<Module> {
    let words = shipped(text);
    let mut reader =
        Reader { words: &words, at: 0, depth: 0, enums: Vec::new(), open: Vec::new(), done: Vec::new() };
    reader.open.push((0, Module { key: key.into(), file: file.into(), ..Module::default() }));
    reader.read();
    let mut modules: Vec<Module> = reader.open.into_iter().map(|(_, module)| module).collect();
    modules.append(&mut reader.done);
    modules
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    /// Brackets of all kinds that are open.
    depth: usize,
    /// The depths of the enums whose variants are being read.
    enums: Vec<usize>,
    /// Modules that are being read, with the depths that their items are at.
    open: Vec<(usize, Module)>,
    done: Vec<Module>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while self.at < self.words.len() {
            let word = self.words[self.at];
            match word {
                "{" | "(" | "[" => self.depth += 1,
                "}" | ")" | "]" => self.close(),
                "use" if self.word(1) != "<" => {
                    self.read_use();
                    continue;
                }
                _ if is_name(word) => {
                    self.read_name(word);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn close(&mut self) {
        self.enums.retain(|depth| *depth != self.depth);
        if self.open.len() > 1 && self.open.last().is_some_and(|(depth, _)| *depth == self.depth) {
            self.done.extend(self.open.pop().map(|(_, module)| module));
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn read_name(&mut self, word: &'a str) {
        let (before, next) = (self.word_before(1), self.word(1));
        if before == "mod" && next == "{" {
            let (_, above) = self.open.last().expect("a file is open");
            let inner = Module {
                key: format!("{}::{word}", above.key),
                file: above.file.clone(),
                ..Module::default()
            };
            self.open.push((self.depth + 1, inner));
        } else if DEFINE.contains(&before) || (before == "!" && self.word_before(2) == "macro_rules") {
            if before == "enum" {
                self.enums.push(self.depth + 1);
            }
            let depth = self.depth;
            let (level, module) = self.open.last_mut().expect("a file is open");
            if *level == depth && before != "mod" && !DEFINE.contains(&word) {
                module.items.insert(word.to_owned());
            }
        } else if !self.is_variant() && !self.is_member() {
            let is_visibility = before == "in" && self.word_before(2) == "(";
            let is_called = next == "(" || (next == "!" && self.word(2) != "=");
            let path = self.read_path();
            if path.len() > 1 {
                if !is_visibility {
                    self.module().paths.push(path);
                }
            } else if word.starts_with(|c: char| c.is_ascii_uppercase()) || is_called {
                self.module().bare.insert(word.to_owned());
            }
            return;
        }
        self.at += 1;
    }

    /// `a::b::c` from here; leaves the place behind it.
    fn read_path(&mut self) -> Vec<String> {
        let mut path = vec![self.words[self.at].to_owned()];
        while self.word(1) == "::" && is_name(self.word(2)) {
            self.at += 2;
            path.push(self.words[self.at].to_owned());
        }
        self.at += 1;
        path
    }

    /// The name in an enum's definition, which is nobody else's.
    fn is_variant(&self) -> bool {
        self.enums.contains(&self.depth) && ["{", ",", "]"].contains(&self.word_before(1))
    }

    /// A method, a field, or the rest of a path that begins with something else.
    fn is_member(&self) -> bool {
        match self.word_before(1) {
            "::" => true,
            "." => self.word_before(2) != ".",
            "$" => self.word(0) != "crate",
            _ => false,
        }
    }

    fn read_use(&mut self) {
        let is_public = match self.word_before(1) {
            "pub" => true,
            ")" => (2..9).any(|back| self.word_before(back) == "(" && self.word_before(back + 1) == "pub"),
            _ => false,
        };
        self.at += 1;
        let mut uses = Vec::new();
        self.read_tree(&[], is_public, &mut uses);
        self.module().uses.append(&mut uses);
    }

    /// `a::{b, c::*} as d` below `above`; leaves the place behind it.
    fn read_tree(&mut self, above: &[String], is_public: bool, uses: &mut Vec<Use>) {
        let mut path = above.to_vec();
        loop {
            match self.word(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.word(0)) {
                        self.read_tree(&path, is_public, uses);
                        if self.word(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    uses.push(Use { path, name: "*".into(), is_public });
                    return;
                }
                word if is_name(word) => {
                    self.at += 1;
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    if self.word(0) != "::" {
                        let mut name = path.last().cloned().unwrap_or_default();
                        if self.word(0) == "as" {
                            name = self.word(1).to_owned();
                            self.at += 2;
                        }
                        uses.push(Use { path, name, is_public });
                        return;
                    }
                }
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    fn module(&mut self) -> &mut Module {
        &mut self.open.last_mut().expect("a file is open").1
    }

    fn word(&self, ahead: usize) -> &'a str {
        self.words.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn word_before(&self, back: usize) -> &'a str {
        self.at.checked_sub(back).map_or("", |at| self.words[at])
    }
}
