//! The search parameters of user, role and application lists (fact 6.8).
//!
//! Decides whether a row matches. Modes `exact` and `like` are carried out; `similar_to` and `posix` are refused
//! with 501, because they would need PostgreSQL's own regular expressions.

use crate::{errors::ApiError, paging::Query};

/// One searchable field: the parameter's name, the column's name in messages.
pub(crate) type Field = (&'static str, &'static str);

/// A parsed search.
#[derive(Debug)]
pub(crate) struct Search {
    terms: Vec<Term>,
    all: Joint,
    case: Case,
}

#[derive(Debug)]
struct Term {
    /// `None` is any field.
    field: Option<&'static str>,
    mode: Mode,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Exact,
    Like,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    Or,
    And,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Sensitive,
    Insensitive,
}

impl Search {
    /// Reads every parameter whose name begins with `search` or `mode`, as Logto does.
    pub(crate) fn parse(query: &Query, fields: &[Field]) -> Result<Self, ApiError> {
        let all = match query.first("joint").or_else(|| query.first("jointMode")) {
            None | Some("or") => Joint::Or,
            Some("and") => Joint::And,
            Some(other) => {
                let detail = format!("Search joint mode `{other}` is not valid, expect one of or, and.");
                return Err(ApiError::invalid_input(&detail));
            }
        };
        let case = match query.first("isCaseSensitive") {
            Some("true") => Case::Sensitive,
            _ => Case::Insensitive,
        };
        let mut terms: Vec<Term> = Vec::new();
        for (key, value) in query.pairs().filter(|(key, _)| key.starts_with("search")) {
            if value.is_empty() {
                return Err(ApiError::invalid_input("Search value cannot be empty."));
            }
            let field = match key.split_once('.') {
                None => None,
                Some((_, name)) => Some(known_field(name, fields)?),
            };
            match terms.iter_mut().find(|term| term.field == field) {
                Some(term) => term.values.push(value.to_owned()),
                None => {
                    terms.push(Term { field, mode: mode(query, field)?, values: vec![value.to_owned()] });
                }
            }
        }
        for (key, value) in query.pairs().filter(|(key, _)| key.starts_with("mode")) {
            let field = key.split_once('.').map_or(Ok("*"), |(_, name)| known_field(name, fields))?;
            parse_mode(value, field)?;
        }
        if terms.iter().any(|term| term.mode != Mode::Exact && term.values.len() > 1) {
            let detail = "Only one search value is allowed when search mode is not `exact`.";
            return Err(ApiError::invalid_input(detail));
        }
        Ok(Self { terms, all, case })
    }

    /// Whether a row matches, given its searchable values by parameter name.
    pub(crate) fn matches(&self, row: &[(&str, Option<&str>)]) -> bool {
        let hit = |term: &Term| {
            let values = row.iter().filter(|(name, _)| term.field.is_none_or(|field| field == *name));
            values.filter_map(|(_, value)| *value).any(|value| self.hits(term, value))
        };
        match self.all {
            _ if self.terms.is_empty() => true,
            Joint::Or => self.terms.iter().any(hit),
            Joint::And => self.terms.iter().all(hit),
        }
    }

    fn hits(&self, term: &Term, value: &str) -> bool {
        let fold = |text: &str| match self.case {
            Case::Sensitive => text.to_owned(),
            Case::Insensitive => text.to_lowercase(),
        };
        let value = fold(value);
        match term.mode {
            Mode::Exact => term.values.iter().any(|wanted| fold(wanted) == value),
            Mode::Like => term.values.iter().any(|pattern| {
                like(&fold(pattern).chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>())
            }),
        }
    }
}

fn known_field(name: &str, fields: &[Field]) -> Result<&'static str, ApiError> {
    if let Some((field, _)) = fields.iter().find(|(field, _)| *field == name) {
        return Ok(field);
    }
    let columns: Vec<&str> = fields.iter().map(|(_, column)| *column).collect();
    let detail = format!("Search field `{name}` is not valid, expect one of {}.", columns.join(", "));
    Err(ApiError::invalid_input(&detail))
}

fn mode(query: &Query, field: Option<&'static str>) -> Result<Mode, ApiError> {
    let own = field.map(|field| format!("mode.{field}"));
    let value = own.as_deref().and_then(|name| query.first(name)).or_else(|| query.first("mode"));
    value.map_or(Ok(Mode::Like), |value| parse_mode(value, field.unwrap_or("*")))
}

fn parse_mode(value: &str, field: &str) -> Result<Mode, ApiError> {
    match value {
        "exact" => Ok(Mode::Exact),
        "like" => Ok(Mode::Like),
        "similar_to" | "posix" => Err(ApiError::not_implemented("search modes similar_to and posix")),
        _ => Err(ApiError::invalid_input(&format!(
            "Search match mode `{value}` for field `{field}` is not valid, expect one of exact, like, \
             similar_to, posix."
        ))),
    }
}

/// SQL `LIKE`: `%` is any text, `_` any character. Linear in practice: the last `%` is the only place to go back to.
fn like(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(wanted) if *wanted == '_' || Some(wanted) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match &mut back {
                None => return false,
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == '%')
}

#[cfg(test)]
mod tests {

    #[test]
    fn like_follows_sql() {
        let like = |pattern: &str, text: &str| {
            super::like(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
        };
        assert!(like("%ab%", "xxabyy") && like("a_c", "abc") && like("%", "") && like("%a%b", "aab"));
        assert!(!like("ab", "abc") && !like("%ab", "abc") && !like("_", ""));
    }
}
