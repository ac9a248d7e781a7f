//! Who imports whom, between files and between rooms. A re-export of what lies below is a door and no import:
//! names are followed through it to the file that defines them. So a module that only declares modules and
//! re-exports them imports nothing.
//!
//! A method is no name that is imported: an `impl` in a file of its own knows the type, and nobody knows that file.
//!
//! A room is a module at the top of `src/`; each crate in `crates/` is one room.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    graph::Arrows,
    module::{self, Module, Use},
    source::File,
};

/// The code of all crates.
pub(crate) struct Code {
    modules: BTreeMap<String, Module>,
    roots: BTreeSet<String>,
}

/// The re-exports that are being followed, each with its module and the name looked for: some lead in cycles.
type Seen = BTreeSet<(String, String, String)>;

/// Where a path leads.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Target {
    Module(String),
    Item { module: String, name: String },
}

impl Code {
    pub(crate) fn read(files: &[File]) -> Self {
        let mut modules = BTreeMap::new();
        let mut roots = BTreeSet::new();
        for file in files.iter().filter(|file| !file.is_test()) {
            let key = key_of(&file.path);
            if !key.contains("::") {
                roots.insert(key.clone());
            }
            modules
                .extend(module::read(&key, &file.path, &file.text).into_iter().map(|m| (m.key.clone(), m)));
        }
        Self { modules, roots }
    }

    /// All files.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.modules.values().map(|module| module.file.as_str()).collect()
    }

    /// All rooms.
    pub(crate) fn rooms(&self) -> BTreeSet<String> {
        self.modules.keys().filter_map(|key| room_of(key)).collect()
    }

    /// The imports between files, with the names.
    pub(crate) fn between_files(&self) -> Arrows {
        let mut arrows = Arrows::default();
        for module in self.modules.values() {
            for (to, name) in self.imports(module) {
                arrows.add(&module.file, &self.modules[&to].file, &name);
            }
        }
        arrows
    }

    /// The imports between rooms, with the names. Here it counts to name no more than a module.
    pub(crate) fn between_rooms(&self) -> Arrows {
        let mut arrows = Arrows::default();
        let room_or_root = |key: &str| room_of(key).unwrap_or_else(|| "lib".into());
        let modules = || self.modules.values().filter(|module| module.key != "claviger");
        for module in modules() {
            for (to, name) in self.imports(module) {
                arrows.add(&room_or_root(&module.key), &room_or_root(&to), &name);
            }
        }
        for module in modules() {
            for (to, name) in self.named(module) {
                let (from, to) = (room_or_root(&module.key), room_or_root(&to));
                if !arrows.has(&from, &to) {
                    arrows.add(&from, &to, &name);
                }
            }
        }
        arrows
    }

    /// The items that a module imports, each with the module that defines it.
    fn imports(&self, module: &Module) -> BTreeSet<(String, String)> {
        let mut targets: BTreeSet<Target> = BTreeSet::new();
        for import in module.uses.iter().filter(|import| import.name != "*" && !self.is_door(module, import))
        {
            targets.extend(self.resolve(&module.key, &import.path));
        }
        for path in &module.paths {
            targets.extend(self.resolve(&module.key, path));
        }
        // Through a glob or the module's own doors.
        for name in &module.bare {
            targets.extend(self.look_up(&module.key, name, &mut Seen::new()));
        }
        targets
            .into_iter()
            .filter_map(|target| match target {
                Target::Item { module, name } => Some((module, name)),
                Target::Module(_) => None,
            })
            .collect()
    }

    /// The modules that a module names, without following re-exports, each with its last name.
    fn named(&self, module: &Module) -> BTreeSet<(String, String)> {
        let paths = module.uses.iter().map(|import| &import.path).chain(&module.paths);
        paths.flat_map(|path| self.spelled_out(&module.key, path)).collect()
    }

    /// A re-export of what lies below the module itself.
    fn is_door(&self, module: &Module, import: &Use) -> bool {
        let inside = format!("{}::", module.key);
        import.is_public
            && self
                .spelled_out(&module.key, &import.path)
                .last()
                .is_some_and(|(key, _)| key.starts_with(&inside))
    }

    /// The modules that a path goes through as it is written.
    fn spelled_out(&self, from: &str, path: &[String]) -> Vec<(String, String)> {
        let Some((mut key, rest)) = self.start(from, path, &mut Seen::new()) else { return Vec::new() };
        let mut modules = Vec::new();
        for name in rest {
            key = format!("{key}::{name}");
            if !self.modules.contains_key(&key) {
                break;
            }
            modules.push((key.clone(), name.clone()));
        }
        modules
    }

    /// The module that a path begins in, and the names from there; nothing for what is outside of these crates.
    fn start<'a>(&self, from: &str, path: &'a [String], seen: &mut Seen) -> Option<(String, &'a [String])> {
        let mut module = from.to_owned();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                let root = from.split("::").next().unwrap_or(from);
                return Some((root.to_owned(), &rest[1..]));
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module = module.rsplit_once("::")?.0.to_owned();
                    rest = &rest[1..];
                }
            }
            name if self.look_up(from, name, seen).is_empty() => {
                return self.roots.get(name).map(|root| (root.clone(), &rest[1..]));
            }
            _ => {}
        }
        Some((module, rest))
    }

    fn resolve(&self, from: &str, path: &[String]) -> Vec<Target> {
        self.follow(from, path, &mut Seen::new())
    }

    fn follow(&self, from: &str, path: &[String], seen: &mut Seen) -> Vec<Target> {
        match self.start(from, path, seen) {
            Some((module, rest)) => self.walk(module, rest, seen),
            None => Vec::new(),
        }
    }

    fn walk(&self, module: String, path: &[String], seen: &mut Seen) -> Vec<Target> {
        let Some((name, rest)) = path.split_first() else {
            return vec![Target::Module(module)];
        };
        let mut found = self.look_up(&module, name, seen);
        if found.is_empty() && self.modules.contains_key(&module) {
            // What a macro makes.
            found.push(Target::Item { module, name: name.clone() });
        }
        let is_last = rest.is_empty();
        let leads_on = found.iter().any(|target| matches!(target, Target::Module(_)));
        found
            .into_iter()
            .flat_map(|target| match target {
                Target::Module(inner) => self.walk(inner, rest, seen),
                // A function and a module can have one name; a path goes on in the module.
                Target::Item { .. } if !is_last && leads_on => Vec::new(),
                item @ Target::Item { .. } => vec![item],
            })
            .collect()
    }

    /// What a name means in a module.
    fn look_up(&self, module: &str, name: &str, seen: &mut Seen) -> Vec<Target> {
        let Some(here) = self.modules.get(module) else { return Vec::new() };
        let mut found = Vec::new();
        let child = format!("{module}::{name}");
        if self.modules.contains_key(&child) {
            found.push(Target::Module(child));
        }
        if here.items.contains(name) {
            found.push(Target::Item { module: module.to_owned(), name: name.to_owned() });
        }
        for import in here.uses.iter().filter(|import| import.name == name) {
            let step = (module.to_owned(), import.path.join("::"), name.to_owned());
            if seen.insert(step.clone()) {
                found.extend(self.follow(module, &import.path, seen));
                seen.remove(&step);
            }
        }
        if found.is_empty() {
            for import in here.uses.iter().filter(|import| import.name == "*") {
                let step = (module.to_owned(), import.path.join("::"), name.to_owned());
                if seen.insert(step.clone()) {
                    for target in self.follow(module, &import.path, seen) {
                        if let Target::Module(inner) = target {
                            found.extend(self.look_up(&inner, name, seen));
                        }
                    }
                    seen.remove(&step);
                }
            }
        }
        found
    }
}

/// `src/token/slot.rs` is `claviger::token::slot`; the program's own root is `main`.
fn key_of(path: &str) -> String {
    if path == "src/main.rs" {
        return "main".into();
    }
    let (root, inside) = match path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) {
        Some((root, inside)) => (root.replace('-', "_"), inside),
        None => ("claviger".into(), path.trim_start_matches("src/")),
    };
    match inside.trim_end_matches(".rs") {
        "lib" | "main" => root,
        inside => format!("{root}::{}", inside.replace('/', "::")),
    }
}

/// The room of a module. The root of the library is in none.
fn room_of(key: &str) -> Option<String> {
    let mut names = key.split("::");
    match names.next()? {
        "claviger" => names.next().map(str::to_owned),
        root => Some(root.to_owned()),
    }
}
