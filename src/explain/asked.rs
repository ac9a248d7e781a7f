//! A request as an operator pastes it: a method and a path, a URL, a `curl` command, a line of a log. Reads what it says
//! and nothing else: it never carries anything out, opens a file, or looks a name up, and no text makes it panic. It does
//! not know the configuration: what the request means there is `question`'s work.

mod curl;
mod log_line;
mod request;
mod shell;
mod text;
mod unclear;
mod url;

pub(super) use self::request::placeholder;
pub use self::{
    request::{Asked, Refused},
    text::MAX_LEN,
    unclear::Unclear,
};

#[cfg(test)]
mod tests;
