//! YAML and JSON into a [`Node`], from parser events. What a configuration does not need is refused, because
//! each of it can make a file mean something else than it seems to: anchors and aliases, tags, several
//! documents, keys that are not text, keys given twice.

use std::{collections::BTreeMap, path::Path};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use zeroize::Zeroizing;

use super::{
    intake::without_secret,
    origin::Origin,
    path::KeyPath,
    problem::Problem,
    tree::{Lines, MAX_DEPTH, MAX_NODES, Node, Value, too_much},
};

/// Reads the text of `file`, which is YAML or JSON.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, Vec<Problem>> {
    let lines = Lines::new(file, text);
    let mut build = Build {
        parser: Parser::new_from_str(text),
        text,
        lines: &lines,
        left: MAX_NODES,
        problems: Vec::new(),
    };
    match build.document() {
        Ok(root) if build.problems.is_empty() => Ok(root),
        Ok(_) => Err(build.problems),
        Err(problem) => {
            build.problems.push(*problem);
            Err(build.problems)
        }
    }
}

/// Reads one value that is JSON, such as `["a", { "b": 1 }]`; `None` where `text` is not one.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Option<Node> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let document = Zeroizing::new(format!("{{\"value\": {text}}}"));
    let mut root = parse(Path::new(""), &document).ok()?;
    let Value::Map(members) = &mut root.value else { return None };
    let mut value = None;
    members.retain(|_, node| {
        node.settle(origin);
        value = Some(std::mem::replace(node, Node::map(origin)));
        false
    });
    value
}

struct Build<'i, 'l> {
    parser: Parser<'i, StrInput<'i>>,
    text: &'i str,
    lines: &'l Lines,
    left: usize,
    problems: Vec<Problem>,
}

type Read<T> = Result<T, Box<Problem>>;

impl<'i> Build<'i, '_> {
    fn next(&mut self) -> Read<(Event<'i>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Read<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                _ if root.is_some() => {
                    return Err(self.refuse(
                        span,
                        "a second document begins here",
                        "Put everything into the first, or into a file of its own given with a further --config.",
                    ));
                }
                event => {
                    let origin = self.lines.line(span.start.line().max(1));
                    root = Some(self.node(event, span, &KeyPath::default(), origin)?);
                }
            }
        }
        let nothing = || Node::map(&self.lines.line(1));
        match root {
            // Nothing but comments, or `null`.
            None | Some(None) => Ok(nothing()),
            Some(Some(node @ Node { value: Value::Map(_), .. })) => Ok(node),
            Some(Some(node)) => Err(Box::new(Problem {
                key: String::new(),
                origin: Some(node.origin),
                what: "the file is not a map of keys to values".into(),
                remedy: "Begin with a section, such as `tenants:`.".into(),
            })),
        }
    }

    /// The value that begins with `event`; `None` where nothing is given (`key:` or `key: null`).
    fn node(&mut self, event: Event<'i>, span: Span, path: &KeyPath, origin: Origin) -> Read<Option<Node>> {
        let Some(left) = self.left.checked_sub(1).filter(|_| path.len() <= MAX_DEPTH) else {
            return Err(Box::new(too_much(origin)));
        };
        self.left = left;
        self.plain_only(&event, span);
        match event {
            Event::Scalar(text, style, ..) => Ok(scalar(text.into_owned(), style, path, &origin)),
            Event::SequenceStart(..) => self.sequence(path, &origin).map(Some),
            Event::MappingStart(..) => self.map(path, &origin).map(Some),
            // Refused above; something must stand in its place.
            _ => Ok(None),
        }
    }

    fn sequence(&mut self, path: &KeyPath, origin: &Origin) -> Read<Node> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd || event == Event::StreamEnd {
                return Ok(Node::sequence(items, origin));
            }
            let place = self.lines.line(span.start.line().max(1));
            match self.node(event, span, &path.index(items.len()), place.clone())? {
                Some(item) => items.push(item),
                None => self.problems.push(Problem {
                    key: without_secret(path).to_string(),
                    origin: Some(place),
                    what: "this element of the list is empty".into(),
                    remedy: "Give it a value, or take its line away.".into(),
                }),
            }
        }
    }

    fn map(&mut self, path: &KeyPath, origin: &Origin) -> Read<Node> {
        let mut map: BTreeMap<String, Node> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd || event == Event::StreamEnd {
                return Ok(Node { value: Value::Map(map.into_iter().collect()), origin: origin.clone() });
            }
            self.plain_only(&event, span);
            if let Event::Scalar(key, ScalarStyle::Plain, ..) = &event
                && (key.starts_with("//") || key.starts_with("/*"))
            {
                return Err(self.refuse(span, COMMENT.0, COMMENT.1));
            }
            let Event::Scalar(key, ..) = event else {
                return Err(self.refuse(
                    span,
                    "a key is not text",
                    "Put the value in quotes if { or [ is meant to be part of it.",
                ));
            };
            let origin = self.lines.line(span.start.line().max(1));
            let path = path.key(&key);
            let (event, span) = self.next()?;
            let Some(node) = self.node(event, span, &path, origin.clone())? else { continue };
            if let Some(first) = map.get(key.as_ref()) {
                self.problems.push(Problem {
                    key: without_secret(&path).to_string(),
                    origin: Some(origin),
                    what: format!("the key is given twice, first at {}", first.origin),
                    remedy: "Keep one of the two.".into(),
                });
                continue;
            }
            map.insert(key.into_owned(), node);
        }
    }

    fn plain_only(&mut self, event: &Event<'i>, span: Span) {
        let (anchor, tag) = match event {
            Event::Alias(_) => {
                let problem = self.refuse(span, "an alias (*name) is not read here", "Write the value out.");
                return self.problems.push(*problem);
            }
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => return,
        };
        if anchor != 0 {
            let remedy = "Write each value out where it is used; a value that begins with & goes in quotes.";
            let problem = self.refuse(span, "an anchor (&name) is not read here", remedy);
            self.problems.push(*problem);
        }
        if tag {
            let remedy = "Leave it out; a value that begins with ! goes in quotes.";
            let problem = self.refuse(span, "a tag (!name) is not read here", remedy);
            self.problems.push(*problem);
        }
    }

    fn refuse(&self, span: Span, what: &str, remedy: &str) -> Box<Problem> {
        Box::new(Problem {
            key: String::new(),
            origin: Some(self.lines.line(span.start.line().max(1))),
            what: what.into(),
            remedy: remedy.into(),
        })
    }

    /// Whether nothing but spaces stands before the place in its line.
    fn begins_a_line(&self, place: &Marker) -> bool {
        let line = self.text.lines().nth(place.line().saturating_sub(1)).unwrap_or_default();
        line.chars().take_while(|c| *c == ' ').count() == place.col()
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        // The one message of the parser that quotes the source.
        let what = match error.info() {
            quoting if quoting.starts_with("unexpected character") => "unexpected character",
            fixed => fixed,
        };
        let line = error.marker().line();
        let before = self.text.lines().take(line).map(str::trim);
        let is_comment =
            |line: &str| line.starts_with("//") || line.starts_with("/*") || line.contains(" // ");
        let (what, remedy) = if before.clone().any(is_comment) {
            (COMMENT.0.to_owned(), COMMENT.1)
        } else if before.skip(line.saturating_sub(2)).any(lacks_space) {
            (
                "this is not YAML or JSON: no space stands behind the colon of a key".to_owned(),
                "Write `key: value`, here or in the line above.",
            )
        } else if self.begins_a_line(error.marker()) && what.contains("expected key") {
            (
                "this line is indented differently from those that it belongs to".to_owned(),
                "Begin it in the same column as the keys beside it.",
            )
        } else {
            (
                format!("this is not YAML or JSON: {what}"),
                "Look at the indentation, and put values with : # { [ & * ! in quotes.",
            )
        };
        let origin = Some(self.lines.line(error.marker().line().max(1)));
        Problem { key: String::new(), origin, what, remedy: remedy.into() }
    }
}

/// What is said of `//` and `/*`.
const COMMENT: (&str, &str) =
    ("this is not YAML or JSON: a comment of another language", "Begin comments with #, in JSON as well.");

/// Whether a line begins as `key:value`.
fn lacks_space(line: &str) -> bool {
    let is_key = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_value = |rest: &str| !rest.is_empty() && !rest.starts_with([' ', '/']);
    line.split_once(':').is_some_and(|(key, rest)| is_key(key) && is_value(rest))
}

fn scalar(text: String, style: ScalarStyle, path: &KeyPath, origin: &Origin) -> Option<Node> {
    let text = Zeroizing::new(text);
    let given_nothing =
        style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if !given_nothing {
        return Some(Node { value: Value::Text(text), origin: origin.clone() });
    }
    // `acme:` alone under `tenants:` still names a tenant, and what it lacks can be said by name.
    match path.steps()[..] {
        ["tenants" | "policies" | "callers", _] => Some(Node::map(origin)),
        _ => None,
    }
}
