//! The rules of some columns, numbered in the order in which a table comes to them, so that a cell needs no more room
//! than a number.

use std::collections::HashMap;

use crate::{
    catalog::Operation,
    policy::{
        decide::RuleSource,
        matrix::{Cell, Column, Mark},
        rules::Effect,
    },
};

/// Rules by number, from 1 on.
pub(super) struct Numbered<'c> {
    /// By address: callers with the same policies share their rules.
    numbers: HashMap<*const RuleSource, usize>,
    pub(super) rules: Vec<&'c RuleSource>,
}

/// What stands in a cell.
pub(super) struct Marked {
    pub(super) mark: Mark,
    /// The rules that allow it.
    pub(super) allowed_by: Vec<usize>,
    /// Those that deny some of its paths.
    pub(super) but_not: Vec<usize>,
    /// Its answers show their secrets.
    pub(super) unmasked: bool,
}

/// Each operation that some column may use, with its cell of each column.
pub(super) fn used<'c>(
    columns: &'c [Column<'c>],
) -> impl Iterator<Item = (&'c Operation, Vec<&'c Cell<'c>>)> {
    (0..columns.first().map_or(0, |column| column.cells.len())).filter_map(|row| {
        let cells: Vec<_> = columns.iter().filter_map(|column| column.cells.get(row)).collect();
        let used = cells.iter().find(|cell| cell.mark() != Mark::No)?;
        Some((used.operation, cells))
    })
}

impl<'c> Numbered<'c> {
    pub(super) fn new(columns: &'c [Column<'c>]) -> Self {
        let mut this = Self { numbers: HashMap::new(), rules: Vec::new() };
        for cell in used(columns).flat_map(|(_, cells)| cells).filter(|cell| cell.mark() != Mark::No) {
            cell.rules().into_iter().for_each(|rule| this.add(rule));
            cell.about_some_paths.iter().for_each(|rule| this.add(rule));
        }
        columns.iter().flat_map(|column| &column.beyond).for_each(|rule| this.add(rule));
        this
    }

    fn add(&mut self, rule: &'c RuleSource) {
        if !self.numbers.contains_key(&std::ptr::from_ref(rule)) {
            self.rules.push(rule);
            self.numbers.insert(rule, self.rules.len());
        }
    }

    fn number(&self, rule: &RuleSource) -> usize {
        self.numbers.get(&std::ptr::from_ref(rule)).copied().unwrap_or_default()
    }

    pub(super) fn cell(&self, cell: &Cell<'_>) -> Marked {
        let mark = cell.mark();
        let some = |effect: Effect| {
            let rules = cell.about_some_paths.iter().filter(move |rule| rule.effect == effect);
            rules.map(|rule| self.number(rule)).collect::<Vec<_>>()
        };
        let allowed_by = match mark {
            Mark::Part => some(Effect::Allow),
            _ => cell.rules().into_iter().map(|rule| self.number(rule)).collect(),
        };
        let but_not = if mark == Mark::No { Vec::new() } else { some(Effect::Deny) };
        Marked { mark, allowed_by, but_not, unmasked: mark != Mark::No && cell.unmasked }
    }

    /// The numbers of the rules that reach beyond the catalog.
    pub(super) fn beyond(&self, column: &Column<'_>) -> Vec<usize> {
        column.beyond.iter().map(|rule| self.number(rule)).collect()
    }
}

/// `1, 2`
pub(super) fn listed(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
