//! What makes a path ambiguous, by kind. How it is said is in `ambiguous`.

/// The longest path, in bytes. Logto answers 431 above 16 kB of request head (fact 5.4).
pub const MAX_LEN: usize = 16 * 1024;

/// What makes a path ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Not origin-form (RFC 9112 section 3.2.1).
    NotAbsolute,
    /// More than [`MAX_LEN`] bytes.
    TooLong,
    /// More segments than a template can have.
    TooManySegments,
    /// `//`
    EmptySegment,
    /// `.` or `..`
    DotSegment,
    /// `users.` or `users%20`, which some servers take for `users`.
    TrailingDotOrSpace,
    /// `\ ; #`, a control character, a non-ASCII byte or another that RFC 3986 does not have in a segment.
    RawByte,
    /// `%` without two hexadecimal digits after it.
    BadEscape,
    /// An escape for a slash, backslash, question mark, number sign, semicolon or percent sign.
    EscapedDelimiter,
    /// An escape for a control character.
    EscapedControl,
    /// An escape for a letter, a digit, `-`, `.`, `_` or `~`.
    NeedlessEscape,
    /// Escapes that are not UTF-8: cut short, overlong, or a surrogate.
    NotUtf8,
}
