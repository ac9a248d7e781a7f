//! Query strings and pages.
//!
//! Decides which part of a list is answered and writes `Total-Number` and Logto's wrong `Link` headers: without
//! `/api`, with repeated parameters joined by commas, on the origin of the request (facts 4.1 to 4.4).

use http::{HeaderName, header};
use serde::Serialize;

use crate::{
    answer::Answer,
    errors::{ApiError, Outcome},
    routes::Paging,
};

/// The parameters of a query in order, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: &str) -> Self {
        Self(form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The query as Node's parser groups it and Logto joins it again, with `page` in its place.
    fn with_page(&self, page: f64) -> String {
        let mut grouped: Vec<(&str, String)> = Vec::new();
        for (key, value) in self.pairs() {
            match grouped.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => {
                    values.push(',');
                    values.push_str(value);
                }
                None => grouped.push((key, value.to_owned())),
            }
        }
        let page = format!("{page:.0}");
        match grouped.iter_mut().find(|(key, _)| *key == "page") {
            Some((_, value)) => *value = page,
            None => grouped.push(("page", page)),
        }
        form_urlencoded::Serializer::new(String::new()).extend_pairs(grouped).finish()
    }
}

/// Where a list was asked for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a Query,
    pub(crate) paging: Paging,
    /// `http://{Host}`.
    pub(crate) origin: &'a str,
    /// The path without `/api`, as it arrived.
    pub(crate) path: &'a str,
}

/// The page that was asked for, or `None` for the whole list.
fn page(query: &Query, paging: Paging) -> Result<Option<(f64, f64)>, ApiError> {
    let given = query.first("page").is_some() || query.first("page_size").is_some();
    if paging == Paging::Never || (paging == Paging::Optional && !given) {
        return Ok(None);
    }
    let page = number(query, "page", 1.0)?;
    let size = number(query, "page_size", 20.0)?;
    if page < 1.0 || !(1.0..=100.0).contains(&size) {
        return Err(invalid());
    }
    Ok(Some((page, size)))
}

fn number(query: &Query, name: &str, default: f64) -> Result<f64, ApiError> {
    let mut values = query.values(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(default),
        (Some(value), None) => {
            value.trim().parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

fn invalid() -> ApiError {
    ApiError::bad_request("guard.invalid_pagination", "The request pagination value is invalid.")
}

/// Answers the part of `items` that was asked for.
pub(crate) fn list<T: Serialize>(asked: &Asked<'_>, items: Vec<T>) -> Outcome {
    let Some((page, size)) = page(asked.query, asked.paging)? else {
        return Ok(Answer::ok(&items));
    };
    let total = items.len();
    // Casts saturate, and a page beyond the end is empty (fact 4.1).
    let skip = ((page - 1.0) * size) as usize;
    let shown: Vec<&T> = items.iter().skip(skip).take(size as usize).collect();
    let last = (total as f64 / size).ceil().max(1.0);
    let page = page.floor();
    let mut links = vec![("first", 1.0)];
    if page > 1.0 {
        links.push(("prev", page - 1.0));
    }
    links.push(("last", last));
    if page < last {
        links.push(("next", page + 1.0));
    }
    let mut answer = Answer::ok(&shown).with(HeaderName::from_static("total-number"), total.to_string());
    for (rel, page) in links {
        let link = format!("<{}{}?{}>; rel=\"{rel}\"", asked.origin, asked.path, asked.query.with_page(page));
        answer = answer.with(header::LINK, link);
    }
    Ok(answer)
}
