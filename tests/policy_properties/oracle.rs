//! The oracle: shares no code with the product. Reads the catalog's table and the rules as text, and a path in each way that some
//! server on the way is known to read it.

use std::{collections::BTreeSet, sync::LazyLock};

pub(crate) const TABLE: &str = include_str!("../../src/catalog/operations.tsv");

/// One line of the table.
pub(crate) struct Line {
    pub(crate) method: &'static str,
    pub(crate) template: &'static str,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) free: bool,
    pub(crate) sensitive: bool,
    pub(crate) withheld: bool,
}

pub(crate) static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let column: Vec<_> = line.split('\t').collect();
            let [method, template, id, tag] = column[..4] else { panic!("{line}") };
            let (template, free) = match template.strip_suffix(":free}") {
                Some(_) => (&*format!("{}}}", template.trim_end_matches(":free}")).leak(), true),
                None => (template, false),
            };
            // What only reads, and only secrets at that, is granted as any other, and masked.
            let sensitive = column[4] != "-" && (column[4] != "secrets" || method != "GET");
            Line { method, template, id, tag, free, sensitive, withheld: column[6] == "withheld" }
        })
        .collect()
});

/// As koa-router does with `path-to-regexp`: case is ignored, one trailing slash is optional, a parameter is
/// anything without a slash, and of several templates the most literal one counts.
pub(crate) fn route(method: &str, path: &str) -> Option<&'static Line> {
    if path != "/api" && !path.starts_with("/api/") {
        return None;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let given: Vec<_> = path.split('/').collect();
    let fits = |line: &&'static Line| {
        let wanted: Vec<_> = line.template.split('/').collect();
        line.method == method
            && wanted.len() == given.len()
            && wanted.iter().zip(&given).all(|(wanted, given)| {
                if wanted.starts_with('{') { !given.is_empty() } else { wanted.eq_ignore_ascii_case(given) }
            })
    };
    LINES.iter().filter(fits).min_by_key(|line| line.template.matches('{').count())
}

/// Whether a rule's text is about a request; `line` is the operation it is, if any.
pub(crate) fn applies(rule: &str, deny: bool, method: &str, path: &str, line: Option<&Line>) -> bool {
    if rule == "*" {
        return deny || line.is_some();
    }
    if let Some((verb, template)) = rule.split_once(' ') {
        let (template, tail) = template.strip_suffix("/**").map_or((template, false), |t| (t, true));
        let wanted: Vec<_> = template.split('/').collect();
        let given: Vec<_> = path.split('/').collect();
        let length = if tail { given.len() > wanted.len() } else { given.len() == wanted.len() };
        return verb == method
            && length
            && wanted.iter().zip(&given).all(|(wanted, given)| {
                let same = if deny { wanted.eq_ignore_ascii_case(given) } else { wanted == given };
                wanted.starts_with('{') || same
            });
    }
    let Some((tag, access)) = rule.split_once(':') else { return line.is_some_and(|line| rule == line.id) };
    let is_of_tag = match line {
        Some(line) => tag == line.tag,
        // A tag that is denied takes with it what a newer Logto has beside its operations.
        None => deny && LINES.iter().any(|line| tag == line.tag && share_a_name(line.template, path)),
    };
    is_of_tag && (access == "*" || (access == "read") == (method == "GET"))
}

/// Whether both go on alike after `/api/`.
fn share_a_name(template: &str, path: &str) -> bool {
    let name = |path: &str| path.split('/').nth(2).map(str::to_ascii_lowercase);
    name(template) == name(path)
}

/// Whether the rules, as text, permit a request.
pub(crate) fn permits(
    allow: &[String],
    deny: &[String],
    method: &str,
    path: &str,
    line: Option<&Line>,
) -> bool {
    if line.is_some_and(|line| line.withheld)
        || deny.iter().any(|rule| applies(rule, true, method, path, line))
    {
        return false;
    }
    allow.iter().any(|rule| match line {
        Some(line) if line.sensitive => rule == line.id,
        _ => applies(rule, false, method, path, line),
    })
}

/// `%XX` decoded, whatever it stands for.
pub(crate) fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = path.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[at], digits) {
            (b'%', Some(digits)) => {
                out.push(u8::from_str_radix(digits, 16).unwrap());
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    // An overlong dot, slash or backslash is one to a decoder that does not check.
    let mut text = String::new();
    let mut bytes = out.as_slice();
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        match (first, rest.first()) {
            (0xC0 | 0xC1, Some(next @ 0x80..0xC0)) => {
                text.push(char::from((first & 1) << 6 | next & 0x3F));
                bytes = &rest[1..];
            }
            _ => text.push(char::from(*first)),
        }
    }
    text
}

pub(crate) fn merge_slashes(path: &str) -> String {
    path.chars().fold(String::new(), |mut out, c| {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
        out
    })
}

pub(crate) fn resolve_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

pub(crate) fn each_segment(path: &str, change: impl Fn(&str) -> &str) -> String {
    path.split('/').map(change).collect::<Vec<_>>().join("/")
}

/// As nginx does where it hands a path on that it has read (`proxy_pass` with a path): decoded once, `//` merged, dot
/// segments resolved, and escaped anew.
pub(crate) fn nginx(path: &str) -> String {
    resolve_dots(&merge_slashes(&decode(path)))
}

/// As Node's `new URL` does: a backslash is a slash, `%2e` is a dot, dot segments are resolved, and nothing is decoded.
pub(crate) fn node(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
    let dots = |segment: &str| match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        dots @ ("." | "..") => dots.to_owned(),
        _ => segment.to_owned(),
    };
    resolve_dots(&path.split('/').map(dots).collect::<Vec<_>>().join("/"))
}

/// As Koa's router does: split as it came, then each parameter is decoded.
pub(crate) fn koa(path: &str) -> Vec<String> {
    path.split('/').map(decode).collect()
}

/// Every way to read a path, the plain one first.
pub(crate) fn readings(path: &str) -> Vec<String> {
    let steps: [fn(&str) -> String; 8] = [
        |path| path.replace('\\', "/"),
        |path| path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        |path| path.split('\0').next().unwrap_or_default().to_owned(),
        |path| path.chars().filter(|c| !c.is_control()).collect(),
        |path| each_segment(path, |segment| segment.split(';').next().unwrap_or_default()),
        |path| {
            each_segment(
                path,
                |s| if s.bytes().all(|b| b == b'.') { s } else { s.trim_end_matches(['.', ' ']) },
            )
        },
        merge_slashes,
        resolve_dots,
    ];
    let mut all =
        BTreeSet::from([path.to_owned(), decode(path), decode(&decode(path)), node(path), nginx(path)]);
    // Each step on all that came before: every subset of the steps, in this order.
    for step in steps {
        let changed: Vec<_> = all.iter().map(|path| step(path)).collect();
        all.extend(changed);
    }
    all.remove(path);
    std::iter::once(path.to_owned()).chain(all).collect()
}
