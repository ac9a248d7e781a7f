//! Path templates: `/api/users/{userId}/roles`, and in rules also a final `/**`. A literal segment is made of
//! characters that a canonical path can write in one way only (RFC 3986 unreserved), so that comparing bytes is
//! comparing meaning; `{x}` is one whole segment.

use std::{borrow::Cow, fmt};

/// The most segments of a path or a template.
pub const MAX_SEGMENTS: usize = 32;

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// To be matched as it stands.
    Literal(Box<str>),
    /// `{x}`: any one segment.
    Param,
}

/// A set of paths: those with the same literals, and anything where it has `{x}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Box<[Segment]>,
    tail: bool,
}

/// Why a text is not a template, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin as every path of the Management API does.
    #[error("a path begins with \"/api/\"")]
    Prefix,
    /// An empty segment in the middle, or a slash at the end.
    #[error(
        "write no \"//\", and no \"/\" at the end: a rule without it matches paths that end in \"/\" as well"
    )]
    EmptySegment,
    /// A literal with characters that a path could write in two ways.
    #[error("the segment {0:?} may hold letters, digits, '-', '.', '_' and '~', and not end with '.'")]
    Literal(Box<str>),
    /// `{`, `}`, `*` or `:` where they mean nothing.
    #[error(
        "the segment {0:?} means nothing: write {{id}} for one segment, or a final /** for any further ones"
    )]
    Wildcard(Box<str>),
    /// A template is a path and no more.
    #[error("a rule is about the path alone: leave out \"?\" and what follows")]
    Query,
    /// Longer than any path that is accepted.
    #[error("more than {MAX_SEGMENTS} segments")]
    TooLong,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`TemplateError`] with what to write instead.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains(['?', '#']) {
            return Err(TemplateError::Query);
        }
        if !text.starts_with("/api/") {
            return Err(TemplateError::Prefix);
        }
        let (path, tail) = match text.strip_suffix("/**") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let segments = path[1..].split('/').map(segment).collect::<Result<Box<[_]>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(TemplateError::TooLong);
        }
        Ok(Self { text: text.into(), segments, tail })
    }

    /// As its author wrote it, names of parameters included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments, without the tail.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends with `/**`: one or more further segments.
    pub fn has_tail(&self) -> bool {
        self.tail
    }

    /// Whether every path that `other` matches is matched by this one, letters compared as `same` says.
    pub fn covers(&self, other: &Self, same: fn(&str, &str) -> bool) -> bool {
        self.compare(other, |ours, theirs| match (ours, theirs) {
            (Segment::Param, _) => true,
            (Segment::Literal(ours), Segment::Literal(theirs)) => same(ours, theirs),
            (Segment::Literal(_), Segment::Param) => false,
        })
    }

    /// Whether some path is matched by both, letters compared as `same` says. `other` has no tail.
    pub fn meets(&self, other: &Self, same: fn(&str, &str) -> bool) -> bool {
        self.compare(other, |ours, theirs| match (ours, theirs) {
            (Segment::Literal(ours), Segment::Literal(theirs)) => same(ours, theirs),
            (Segment::Param, _) | (_, Segment::Param) => true,
        })
    }

    /// Whether some path is matched by both, as [`meets`](Self::meets), where `other` may have a tail.
    pub fn overlaps(&self, other: &Self, same: fn(&str, &str) -> bool) -> bool {
        match (self.tail, other.tail) {
            (_, false) => self.meets(other, same),
            (false, true) => other.meets(self, same),
            (true, true) => self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(ours), Segment::Literal(theirs)) => same(ours, theirs),
                (Segment::Param, _) | (_, Segment::Param) => true,
            }),
        }
    }

    fn compare(&self, other: &Self, each: impl Fn(&Segment, &Segment) -> bool) -> bool {
        let (ours, theirs) = (self.segments.len(), other.segments.len());
        let long_enough = if self.tail { theirs > ours } else { theirs == ours };
        long_enough && self.segments.iter().zip(&other.segments).all(|(ours, theirs)| each(ours, theirs))
    }

    /// `path`, which this template matches but for the case of letters, with the literals as written here.
    pub(super) fn spell<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let bytes = path.as_bytes().split(|byte| *byte == b'/').skip(1);
        let as_written = self.segments.iter().zip(bytes).all(|(segment, given)| match segment {
            Segment::Literal(literal) => literal.as_bytes() == given,
            Segment::Param => true,
        });
        if as_written {
            return Cow::Borrowed(path);
        }
        let mut spelled = String::with_capacity(path.len());
        for (segment, given) in self.segments.iter().zip(path.split('/').skip(1)) {
            spelled.push('/');
            spelled.push_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Param => given,
            });
        }
        Cow::Owned(spelled)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if text.is_empty() {
        return Err(TemplateError::EmptySegment);
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let named = !name.is_empty() && name.bytes().all(unreserved);
        return if named { Ok(Segment::Param) } else { Err(TemplateError::Wildcard(text.into())) };
    }
    if text.contains(['{', '}', '*', ':']) {
        return Err(TemplateError::Wildcard(text.into()));
    }
    if !text.bytes().all(unreserved) || text.ends_with('.') {
        return Err(TemplateError::Literal(text.into()));
    }
    Ok(Segment::Literal(text.into()))
}
