//! Arrows with names on them, the cycles among them, and those that do not follow from others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// From whom to whom, and what for.
#[derive(Debug, Default)]
pub(crate) struct Arrows(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Arrows {
    /// Nobody imports from itself.
    pub(crate) fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let names = self.0.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            names.insert(name.to_owned());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.0
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |(to, names)| (from.as_str(), to.as_str(), names)))
    }

    pub(crate) fn has(&self, from: &str, to: &str) -> bool {
        self.0.get(from).is_some_and(|known| known.contains_key(to))
    }

    pub(crate) fn who_knows(&self, to: &str) -> Vec<&str> {
        self.0.iter().filter(|(_, known)| known.contains_key(to)).map(|(from, _)| from.as_str()).collect()
    }

    /// Sets of those who reach each other, as text: `A -> B: names`, a line for each arrow among them.
    pub(crate) fn cycles(&self) -> Vec<String> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|from| (from.as_str(), self.reached_from(from, None))).collect();
        let cycles: BTreeSet<Vec<&str>> = reached
            .iter()
            .filter(|(from, there)| there.contains(*from))
            .map(|(from, there)| {
                let is_mutual = |other: &&str| reached.get(other).is_some_and(|back| back.contains(from));
                there.iter().copied().filter(is_mutual).collect()
            })
            .collect();
        cycles.iter().map(|cycle| self.among(cycle)).collect()
    }

    /// Without the arrows that a longer way makes unnecessary.
    pub(crate) fn reduced(&self) -> Vec<(&str, &str)> {
        self.iter()
            .filter(|(from, to, _)| {
                let others = self.0[*from].keys().filter(|other| other != to);
                !others.into_iter().any(|other| self.reached_from(other, Some(from)).contains(to))
            })
            .map(|(from, to, _)| (from, to))
            .collect()
    }

    fn among(&self, cycle: &[&str]) -> String {
        let mut text = String::new();
        for (from, to, names) in self.iter() {
            if cycle.contains(&from) && cycle.contains(&to) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let _ = writeln!(text, "{from} -> {to}: {}", names.join(", "));
            }
        }
        text
    }

    fn reached_from<'a>(&'a self, from: &str, without: Option<&str>) -> BTreeSet<&'a str> {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(place) = ahead.pop() {
            for next in self.0.get(place).into_iter().flat_map(BTreeMap::keys) {
                if Some(next.as_str()) != without && seen.insert(next.as_str()) {
                    ahead.push(next);
                }
            }
        }
        seen
    }
}
