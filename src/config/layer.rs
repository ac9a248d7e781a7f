//! Layers upon each other: figment merges them and says which of them each value came from; the trees say
//! at which line. Then the merged value becomes [`Raw`], with everything that does not fit put aside and noted.

use std::collections::BTreeMap;

use figment::{
    Figment, Metadata, Profile, Provider,
    error::{Actual, Kind},
    value::{Dict, Map, Num, Tag, Value as Merged},
};

use super::{
    Origin,
    path::{KeyPath, is_odd},
    problem::{Problem, nearest},
    raw::{Raw, SECTIONS},
    tree::{Node, Value},
};

/// More problems than anyone reads at once.
const MOST_MISFITS: usize = 100;

/// One source of configuration.
pub(super) struct Layer {
    /// Its name, which no other layer has.
    pub(super) name: String,
    pub(super) root: Node,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        let dict = match merged(&self.root) {
            Merged::Dict(_, dict) => dict,
            _ => Dict::new(),
        };
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

fn merged(node: &Node) -> Merged {
    match &node.value {
        Value::Text(text) => Merged::from(text.as_str()),
        // A number, which no source can write: scalars are text.
        Value::Secret(slot) => Merged::Num(Tag::Default, Num::USize(*slot)),
        Value::Sequence(items) => Merged::from(items.iter().map(merged).collect::<Vec<_>>()),
        Value::Map(map) => {
            Merged::from(map.iter().map(|(key, node)| (key.clone(), merged(node))).collect::<Dict>())
        }
    }
}

/// Where each value of the merged configuration stands.
#[derive(Default)]
pub(super) struct Provenance(BTreeMap<KeyPath, Origin>);

impl Provenance {
    /// The place of the value at `path`, or of the table that it would stand in.
    pub(super) fn of(&self, path: &KeyPath) -> Option<Origin> {
        let mut at = path.clone();
        loop {
            if let Some(origin) = self.0.get(&at) {
                return Some(origin.clone());
            }
            at = at.parent()?;
        }
    }

    /// Whether anything is given at `path`.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.0.contains_key(path)
    }

    fn record(
        &mut self,
        path: KeyPath,
        value: &Merged,
        nodes: &[Option<&Node>],
        layer_of: &dyn Fn(Tag) -> Option<usize>,
    ) {
        // A table that several layers add to stands where the last of them has it.
        let winner = layer_of(value.tag()).and_then(|layer| nodes.get(layer).copied().flatten());
        let Some(node) = winner.or_else(|| nodes.iter().rev().find_map(|node| *node)) else { return };
        match value {
            Merged::Dict(_, dict) => {
                for (key, value) in dict {
                    let below: Vec<_> =
                        nodes.iter().map(|node| node.and_then(|node| node.member(key))).collect();
                    self.record(path.key(key), value, &below, layer_of);
                }
            }
            Merged::Array(_, items) => {
                for (index, item) in items.iter().enumerate() {
                    let below: Vec<_> =
                        nodes.iter().map(|node| node.and_then(|node| node.element(index))).collect();
                    self.record(path.index(index), item, &below, layer_of);
                }
            }
            _ => {}
        }
        if path != KeyPath::default() {
            self.0.insert(path, node.origin.clone());
        }
    }
}

/// All layers as one.
pub(super) struct Stack {
    value: Merged,
    pub(super) provenance: Provenance,
}

impl Stack {
    /// Merges `layers`; a later one wins.
    pub(super) fn of(layers: &[Layer]) -> Self {
        let figment = layers.iter().fold(Figment::new(), |below, layer| below.merge(layer));
        let dict = figment
            .data()
            .ok()
            .and_then(|mut profiles| profiles.remove(&Profile::Default))
            .unwrap_or_default();
        let value = Merged::from(dict);
        let layer_of = |tag: Tag| {
            let name = &figment.get_metadata(tag)?.name;
            layers.iter().position(|layer| layer.name == *name)
        };
        let mut provenance = Provenance::default();
        let roots: Vec<_> = layers.iter().map(|layer| Some(&layer.root)).collect();
        provenance.record(KeyPath::default(), &value, &roots, &layer_of);
        Self { value, provenance }
    }

    /// The names that are defined in the section `tenants`, `issuers`, `policies` or `callers`.
    pub(super) fn names(&self, section: &str) -> Vec<String> {
        match &self.value {
            Merged::Dict(_, dict) => match dict.get(section) {
                Some(Merged::Dict(_, named)) => named.keys().cloned().collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The keys and values that fit. What does not fit is taken out, and said in `problems` and `told`.
    pub(super) fn extract(&mut self, problems: &mut Vec<Problem>, told: &mut Vec<KeyPath>) -> Raw {
        for _ in 0..MOST_MISFITS {
            let error = match self.value.deserialize::<Raw>() {
                Ok(raw) => return raw,
                Err(error) => error,
            };
            let path = self.path(&error.path);
            let (what, remedy) = misfit(&path, &error.kind);
            if let Kind::UnknownField(field, known) = &error.kind
                && let Some(near) = nearest(field, known.iter().copied())
                && let Some(table) = path.parent()
            {
                // What was meant is not missing as well.
                let meant = table.key(near);
                if !self.provenance.has(&meant) {
                    told.push(meant);
                }
            }
            let key = match &error.kind {
                Kind::UnknownField(field, known) if may_be_a_value(field, known) => {
                    path.hiding_last().to_string()
                }
                _ => path.to_string(),
            };
            problems.push(Problem { key, origin: self.provenance.of(&path), what, remedy });
            told.push(path);
            if !remove(&mut self.value, &error.path) {
                break;
            }
        }
        problems.push(Problem {
            key: String::new(),
            origin: None,
            what: format!("there are more than {MOST_MISFITS} keys and tables that do not fit; the rest was not looked at"),
            remedy: "Is this a configuration of Claviger? See config/example.toml.".into(),
        });
        // Nothing is missing as long as nothing was read.
        told.push(KeyPath::default());
        Raw::default()
    }

    fn path(&self, steps: &[String]) -> KeyPath {
        let mut path = KeyPath::default();
        let mut at = Some(&self.value);
        for step in steps {
            (path, at) = match at {
                Some(Merged::Array(_, items)) => {
                    let index = step.parse().unwrap_or(usize::MAX);
                    (path.index(index), items.get(index))
                }
                Some(Merged::Dict(_, dict)) => (path.key(step), dict.get(step)),
                _ => (path.key(step), None),
            };
        }
        path
    }
}

/// Takes the value at `steps` away. An element of a list is emptied instead, so that the others keep their places.
fn remove(value: &mut Merged, steps: &[String]) -> bool {
    let [first, rest @ ..] = steps else { return false };
    match value {
        Merged::Dict(_, dict) if rest.is_empty() => dict.remove(first).is_some(),
        Merged::Dict(_, dict) => dict.get_mut(first).is_some_and(|below| remove(below, rest)),
        Merged::Array(_, items) => {
            let Some(item) = first.parse().ok().and_then(|index: usize| items.get_mut(index)) else {
                return false;
            };
            if rest.is_empty() {
                *item = Merged::from(Dict::new());
                return true;
            }
            remove(item, rest)
        }
        _ => false,
    }
}

/// The words for a key that does not exist, or a value of the wrong shape. The value itself is never quoted:
/// under a misspelt key it may be a secret.
fn misfit(path: &KeyPath, kind: &Kind) -> (String, String) {
    if let Kind::UnknownField(field, known) = kind {
        return unknown(path, field, known);
    }
    let found = match kind {
        Kind::InvalidType(Actual::Seq, _) => "found a list",
        Kind::InvalidType(Actual::Map, _) => "found a table",
        _ => "found a single value",
    };
    let (wanted, remedy) = match path.steps()[..] {
        [] => ("sections are wanted", "Begin with a section such as [tenants.acme].".into()),
        [section @ ("issuers" | "tenants" | "policies" | "callers")] => {
            ("tables are wanted", format!("Write a table for each name: [{section}.NAME]."))
        }
        [section @ ("issuers" | "tenants" | "policies" | "callers"), name] => {
            ("a table is wanted", format!("Write [{section}.{name}] and its keys below it."))
        }
        [.., "identify"] | [.., "identify", _] => {
            ("a table is wanted", "Write identify = { loopback = true }, or another of the ways.".into())
        }
        _ => ("a table is wanted", format!("Write its keys: {path} = {{ … }}.")),
    };
    (format!("{found} where {wanted}"), remedy)
}

/// Whether an unknown key could be a secret that slipped to the left of its colon. Then it is not shown; its line is.
fn may_be_a_value(field: &str, known: &[&str]) -> bool {
    is_odd(field) && nearest(field, known.iter().copied()).is_none()
}

fn unknown(path: &KeyPath, field: &str, known: &[&str]) -> (String, String) {
    let steps = path.steps();
    let what = match steps[..] {
        [_] => "there is no such section".to_owned(),
        _ => "there is no such key".to_owned(),
    };
    if let Some(base @ ("client_secret" | "api_key" | "key")) = field.strip_suffix("_file")
        && known.contains(&base)
    {
        return (what, format!("Write {base} = {{ file = \"…\" }}."));
    }
    if let ["audit", "output", key @ ("max_size" | "keep")] = steps[..] {
        return (what, format!("`{key}` belongs to [audit], beside output: write audit.{key}."));
    }
    if let Some(near) = nearest(field, known.iter().copied()) {
        return (what, format!("Did you mean `{near}`?"));
    }
    // A key of another section that was written at the top, or the other way round.
    if steps.len() > 1 && SECTIONS.contains(&field) {
        return (what, format!("`{field}` stands at the top, before the first [section] or as [{field}]."));
    }
    (what, format!("The keys here are: {}.", known.join(", ")))
}
