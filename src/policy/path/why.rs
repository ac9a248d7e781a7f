//! What makes a path ambiguous, in words for whoever sent it.

use crate::catalog::template::MAX_SEGMENTS;

/// The longest path, in bytes. Logto answers 431 above 16 kB of request head (fact 5.4).
pub const MAX_LEN: usize = 16 * 1024;

/// What makes a path ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Not origin-form (RFC 9112 section 3.2.1).
    #[error("it does not begin with \"/\"")]
    NotAbsolute,
    /// More than [`MAX_LEN`] bytes.
    #[error("longer than {MAX_LEN} bytes")]
    TooLong,
    /// More than [`MAX_SEGMENTS`] segments.
    #[error("more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// `//`
    #[error("an empty segment; a parameter was empty, or a slash was doubled")]
    EmptySegment,
    /// `.` or `..`
    #[error("a segment of dots alone")]
    DotSegment,
    /// `users.` or `users%20`, which some servers take for `users`.
    #[error("a segment that ends with a dot or a space")]
    TrailingDotOrSpace,
    /// `\ ; #`, a control character, a non-ASCII byte or another that RFC 3986 does not have in a segment.
    #[error(
        "a byte that may not stand in a path as it is; percent-encode it where it belongs to a parameter"
    )]
    RawByte,
    /// `%` without two hexadecimal digits after it.
    #[error("\"%\" without two hexadecimal digits after it")]
    BadEscape,
    /// An escape for a slash, backslash, question mark, number sign, semicolon or percent sign.
    #[error("an escaped delimiter; a parameter cannot hold / \\ ? # ; or %")]
    EscapedDelimiter,
    /// An escape for a control character.
    #[error("an escaped control character")]
    EscapedControl,
    /// An escape for a letter, a digit, `-`, `.`, `_` or `~`.
    #[error("an escape for a character that is written as it is")]
    NeedlessEscape,
    /// Escapes that are not UTF-8: cut short, overlong, or a surrogate.
    #[error("escapes that are not UTF-8")]
    NotUtf8,
}
