//! The methods that operations have. Which method an operation has is in the catalog; this only names and reads them.

use std::fmt;

/// The method of an operation. `HEAD` is the `GET` of the same path (RFC 9110 section 9.3.2); Logto's
/// Management API has no other methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `GET`, and `HEAD`.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Verb {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// The verb of a request's method; `None` for a method that no operation has.
    pub fn of(method: &http::Method) -> Option<Self> {
        if *method == http::Method::HEAD { Some(Self::Get) } else { Self::parse(method.as_str()) }
    }

    /// The verb so named; upper case, as in HTTP.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// Its name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it only reads (RFC 9110 section 9.2.1).
    pub fn reads(self) -> bool {
        self == Self::Get
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
