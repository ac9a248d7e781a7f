//! The operation file: read whole, so that what was checked is what is sent, and bound to its journal by its digest.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::Path,
};

use super::{line::Line, unique::Unique};
use crate::secret::Digest;

/// Bytes of a file.
const MOST: u64 = 512 * 1024 * 1024;
/// Complaints that are shown.
const SHOWN: usize = 20;

/// An operation file, checked.
pub(super) struct Input {
    text: Vec<u8>,
    /// Those that are not empty, by number.
    lines: Vec<(usize, Range<usize>)>,
    tenant: Option<String>,
}

impl Input {
    /// Reads and checks all of it.
    pub(super) fn read(path: &Path, tenant: Option<&str>) -> Result<Self, String> {
        let mut text = Vec::new();
        let read = if path.as_os_str() == "-" {
            io::stdin().take(MOST + 1).read_to_end(&mut text)
        } else {
            File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut text))
        };
        // As editors of Windows write it.
        if text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        let read = read.map_err(|error| crate::cli::output::unopened("", path, &error))?;
        if read as u64 > MOST {
            return Err(format!("{}: there are more than {MOST} bytes: split it", path.display()));
        }
        Self::of(text, tenant).map_err(|mut wrong| {
            let more = wrong.len().saturating_sub(SHOWN);
            wrong.truncate(SHOWN);
            let wrong: Vec<_> = wrong
                .into_iter()
                .map(|(number, why)| format!("{}:{number}: {why}", path.display()))
                .collect();
            let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
            format!("nothing was sent:\n{}{more}", wrong.join("\n"))
        })
    }

    fn of(text: Vec<u8>, tenant: Option<&str>) -> Result<Self, Vec<(usize, String)>> {
        let mut input = Self { text, lines: Vec::new(), tenant: tenant.map(str::to_owned) };
        let (mut start, mut number) = (0, 0);
        for end in memchr::memchr_iter(b'\n', &input.text).chain([input.text.len()]) {
            number += 1;
            if !input.text[start..end].trim_ascii().is_empty() {
                input.lines.push((number, start..end));
            }
            start = end + 1;
        }
        let mut wrong = Vec::new();
        // Whose IDs, and what they are to create.
        let (mut ids, mut claims) = (HashMap::new(), HashMap::new());
        for index in 0..input.lines.len() {
            let number = input.lines[index].0;
            match input.line(index) {
                Ok(line) => {
                    if let Some(id) = &line.id
                        && let Some(other) = ids.insert(id.clone(), number)
                    {
                        wrong.push((number, format!("line {other} has the id {id:?} already")));
                    }
                    for claim in line.unique.iter().flat_map(Unique::claims) {
                        let mount =
                            line.unique.as_ref().map_or_else(String::new, |unique| unique.mount.clone());
                        let same: &mut Vec<(String, usize)> =
                            claims.entry(Digest::of(claim.as_bytes()).to_hex()).or_default();
                        // Which tenant is the caller's own is not known here.
                        let may_be_its = |other: &str| other == mount || other.is_empty() || mount.is_empty();
                        if let Some((_, other)) = same.iter().find(|(other, _)| may_be_its(other)) {
                            wrong.push((number, format!("line {other} creates one with the same identifier, which Logto takes once")));
                        }
                        same.push((mount, number));
                    }
                }
                Err(why) => wrong.push((number, why)),
            }
        }
        if input.lines.is_empty() {
            wrong.push((1, "there is no operation in it".to_owned()));
        }
        if wrong.is_empty() { Ok(input) } else { Err(wrong) }
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The operation at this place.
    pub(super) fn line(&self, index: usize) -> Result<Line, String> {
        let (number, range) = self.lines[index].clone();
        Line::parse(number, &self.text[range], self.tenant.as_deref())
    }

    /// The number of its line.
    pub(super) fn number(&self, index: usize) -> usize {
        self.lines[index].0
    }

    pub(super) fn digest(&self) -> String {
        Digest::of(&self.text).to_hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_checked_and_empty_ones_count() {
        let text = "\n{\"operation\":\"ListUsers\"}\r\n\n{\"operation\":\"ListRoles\"}";
        let input = Input::of(text.into(), None).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!((input.len(), input.number(0), input.number(1)), (2, 2, 4));
        let user = |id: &str, name: &str| {
            format!("{{\"id\":\"{id}\",\"operation\":\"CreateUser\",\"body\":{{\"username\":\"{name}\"}}}}\n")
        };
        let wrong = |text: String| -> Vec<usize> {
            Input::of(text.into_bytes(), None)
                .err()
                .unwrap_or_default()
                .into_iter()
                .map(|(number, _)| number)
                .collect()
        };
        assert_eq!(wrong([user("a", "x"), user("b", "y")].concat()), [0; 0]);
        assert_eq!(wrong([user("a", "x"), user("a", "y"), user("b", "x"), "{".into()].concat()), [2, 3, 4]);
        assert_eq!(wrong(String::new()), [1]);
    }
}
