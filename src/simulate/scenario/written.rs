//! A table of a scenario, member by member: what does not fit is said with its line and what to write instead.

use std::time::Duration;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::catalog::nearest;

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidScenario {
    /// From 1; `None` where all of it is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to write.
    pub what: String,
}

/// A table of the text, under a name.
pub(super) struct Section<'t> {
    text: &'t str,
    name: String,
    /// Where it begins.
    at: usize,
    table: &'t DeTable<'t>,
}

impl InvalidScenario {
    pub(super) fn whole(what: &str) -> Self {
        Self { line: None, what: what.to_owned() }
    }

    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|span| line(text, span.start));
        Self { line, what: format!("this is not TOML: {}", error.message().trim_end()) }
    }
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn top(text: &'t str, table: &'t DeTable<'t>) -> Self {
        Self { text, name: String::new(), at: 0, table }
    }

    /// Refuses members that there are not.
    pub(super) fn knows(self, members: &[&str]) -> Result<Self, InvalidScenario> {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !members.contains(&name) {
                let instead = match nearest(name, members.iter().copied()) {
                    Some(near) => format!("Did you mean {near}?"),
                    None => format!("There are: {}", members.join(", ")),
                };
                let what = format!("there is no such member. {instead}");
                return Err(self.wrong_at(key.span().start, &self.path(name), &what));
            }
        }
        Ok(self)
    }

    /// The table of this name, if there is one.
    pub(super) fn section(&self, name: &str, write: &str) -> Result<Option<Self>, InvalidScenario> {
        let Some((key, value)) = self.table.get_key_value(name) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(self.below(key.span().start, name, table))),
            _ => Err(self.wrong(name, &format!("write {write}"))),
        }
    }

    /// All that is in it, which are tables.
    pub(super) fn sections(&self, write: &str) -> Result<Vec<(String, Self)>, InvalidScenario> {
        let mut names: Vec<&str> = self.table.keys().map(|key| key.get_ref().as_ref()).collect();
        names.sort_unstable();
        let of = |name: &str| Ok(self.section(name, write)?.map(|section| (name.to_owned(), section)));
        names.into_iter().filter_map(|name| of(name).transpose()).collect()
    }

    pub(super) fn duration(&self, name: &str, usual: Duration) -> Result<Duration, InvalidScenario> {
        let Some(value) = self.table.get(name) else { return Ok(usual) };
        let text = value.get_ref().as_str();
        text.and_then(|text| humantime::parse_duration(text).ok()).ok_or_else(|| {
            self.wrong(
                name,
                "write a duration in quotation marks with its unit, such as \"10s\" or \"250ms\"",
            )
        })
    }

    pub(super) fn text(&self, name: &str, write: &str) -> Result<Option<&'t str>, InvalidScenario> {
        let Some(value) = self.table.get(name) else { return Ok(None) };
        value.get_ref().as_str().map(Some).ok_or_else(|| self.wrong(name, &format!("write {write}")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, InvalidScenario> {
        let Some(value) = self.table.get(name) else { return Ok(false) };
        value.get_ref().as_bool().ok_or_else(|| self.wrong(name, "write true or false"))
    }

    /// A number from `least` to `most`.
    pub(super) fn number(
        &self,
        name: &str,
        (least, most): (f64, f64),
        what: &str,
    ) -> Result<Option<f64>, InvalidScenario> {
        let Some(value) = self.table.get(name) else { return Ok(None) };
        let written = match value.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => "",
        };
        let number: Option<f64> = written.replace('_', "").parse().ok();
        number.filter(|number| (least..=most).contains(number)).map(Some).ok_or_else(|| {
            self.wrong(
                name,
                &format!("write {what}: a number from {least} to {most}, without quotation marks"),
            )
        })
    }

    /// The same, of what is counted.
    pub(super) fn count(
        &self,
        name: &str,
        (least, most): (u32, u32),
        what: &str,
    ) -> Result<Option<u32>, InvalidScenario> {
        let number = self.number(name, (least.into(), most.into()), what)?;
        match number {
            Some(number) if number.fract() != 0.0 => {
                Err(self.wrong(name, &format!("write {what}: a whole number")))
            }
            #[expect(
                clippy::cast_sign_loss,
                reason = "it is whole, and within the bounds of two that are not negative"
            )]
            number => Ok(number.map(|number| number as u32)),
        }
    }

    /// Of the table itself.
    pub(super) fn is_wrong(&self, what: &str) -> InvalidScenario {
        self.wrong_at(self.at, &self.name, what)
    }

    /// Of one of its members.
    pub(super) fn wrong(&self, name: &str, what: &str) -> InvalidScenario {
        let at = self.table.get_key_value(name).map_or(self.at, |(key, _)| key.span().start);
        self.wrong_at(at, &self.path(name), what)
    }

    fn wrong_at(&self, at: usize, name: &str, what: &str) -> InvalidScenario {
        InvalidScenario { line: Some(line(self.text, at)), what: format!("{name}: {what}") }
    }

    fn below(&self, at: usize, name: &str, table: &'t DeTable<'t>) -> Self {
        Self { text: self.text, name: self.path(name), at, table }
    }

    fn path(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }
}

/// The number of the line of this byte.
fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// The whole text as a table.
pub(super) fn table(text: &str) -> Result<Spanned<DeTable<'_>>, InvalidScenario> {
    DeTable::parse(text).map_err(|error| InvalidScenario::of_toml(text, &error))
}
