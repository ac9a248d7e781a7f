//! Which operations exist: the 275 of the management group, as data in `routes.tsv`.
//!
//! Decides between an operation, a wrong method and an unknown path as Logto's router does (facts 3.4 to 3.6). This
//! is the only file that reads the table.

use std::sync::LazyLock;

use http::Method;

/// How a list is paged (fact 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    Never,
    /// Only when `page` or `page_size` is given.
    Optional,
    Always,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    segments: Vec<&'static str>,
    /// The operation id of Logto's OpenAPI document.
    pub(crate) operation: &'static str,
    /// Whether a token is demanded.
    pub(crate) guarded: bool,
    pub(crate) paging: Paging,
}

/// What the router found.
#[derive(Debug)]
pub(crate) enum Found {
    Operation {
        route: &'static Route,
        /// The values of the template's parameters, decoded.
        params: Vec<String>,
    },
    /// The path exists; the value of `Allow`.
    Path(String),
    Nothing,
}

static ROUTES: LazyLock<Vec<Route>> =
    LazyLock::new(|| include_str!("routes.tsv").lines().filter_map(Route::parse).collect());

/// All operations, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter()
}

/// Looks a path up, `/api` included. HEAD finds the operation of GET.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    let mut allowed: Vec<&str> = Vec::new();
    let mut best: Option<(usize, &'static Route)> = None;
    for route in ROUTES.iter() {
        let Some(literals) = route.matches(&segments) else { continue };
        if route.method == *wanted && best.is_none_or(|(most, _)| literals > most) {
            best = Some((literals, route));
        }
        let names: &[&str] =
            if route.method == Method::GET { &["HEAD", "GET"] } else { &[route.method.as_str()] };
        for name in names {
            if !allowed.contains(name) {
                allowed.push(name);
            }
        }
    }
    match best {
        Some((_, route)) => Found::Operation { route, params: route.params(&segments) },
        None if allowed.is_empty() => Found::Nothing,
        None => Found::Path(allowed.join(", ")),
    }
}

impl Route {
    fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let method = Method::from_bytes(fields.next()?.as_bytes()).ok()?;
        let segments = fields.next()?.split('/').skip(1).collect();
        let operation = fields.next()?;
        let guarded = fields.next()? == "yes";
        let paging = match fields.next()? {
            "optional" => Paging::Optional,
            "mandatory" => Paging::Always,
            _ => Paging::Never,
        };
        Some(Self { method, segments, operation, guarded, paging })
    }

    /// The path, with the names of its parameters.
    pub(crate) fn path(&self) -> String {
        self.segments.iter().map(|segment| format!("/{segment}")).collect()
    }

    /// The names of the parameters in the path.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let params = self.segments.iter().filter(|segment| is_param(segment));
        params.map(|segment| segment.trim_start_matches('{').trim_end_matches('}'))
    }

    /// The number of literal segments, if the path fits. `/api` is case-sensitive, what follows is not.
    fn matches(&self, segments: &[&str]) -> Option<usize> {
        if self.segments.len() != segments.len() {
            return None;
        }
        let mut literals = 0;
        for (index, (template, segment)) in self.segments.iter().zip(segments).enumerate() {
            let fits = match (is_param(template), index) {
                (true, _) => !segment.is_empty(),
                (false, 0) => template == segment,
                (false, _) => template.eq_ignore_ascii_case(segment),
            };
            if !fits {
                return None;
            }
            literals += usize::from(!is_param(template));
        }
        Some(literals)
    }

    fn params(&self, segments: &[&str]) -> Vec<String> {
        let params = self.segments.iter().zip(segments).filter(|(template, _)| is_param(template));
        params.map(|(_, segment)| decode(segment)).collect()
    }
}

fn is_param(template: &str) -> bool {
    template.starts_with('{')
}

/// Percent-decodes; what is no valid escape stays as it is (fact 3.5).
fn decode(segment: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        decoded.push(escape.unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_an_operation() {
        assert_eq!(ROUTES.len(), include_str!("routes.tsv").lines().count());
        assert_eq!(ROUTES.len(), 275);
    }

    #[test]
    fn literal_segments_win_over_parameters() {
        let Found::Operation { route, params } = find(&Method::POST, "/api/one-time-tokens/verify") else {
            panic!("not found")
        };
        assert_eq!((route.operation, params.len()), ("VerifyOneTimeToken", 0));
    }
}
