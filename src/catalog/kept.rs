//! Texts and places of secrets that catalog files add, kept for the life of the process: metrics have labels of them, and
//! answers under way are masked by them. Each is kept once, however often a file is read again, and not without end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use super::secrets::Secrets;

/// The most bytes of text in the life of a process. A file that adds a hundred operations has about 20 kB.
const MOST: usize = 1024 * 1024;

#[derive(Default)]
struct Kept {
    texts: BTreeSet<&'static str>,
    bytes: usize,
    secrets: BTreeMap<&'static str, &'static Secrets>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { texts: BTreeSet::new(), bytes: 0, secrets: BTreeMap::new() });

/// Why nothing more is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A text, for as long as the process lives.
pub(super) fn text(text: &str) -> Result<&'static str, Full> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).text(text)
}

/// The secrets at `places`, which are separated by commas. The inner error is what is wrong with the places.
pub(super) fn secrets(places: &str) -> Result<Result<&'static Secrets, &'static str>, Full> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(secrets) = kept.secrets.get(places) {
        return Ok(Ok(secrets));
    }
    let places = kept.text(places)?;
    Ok(Secrets::parse(places.split(',')).map(|secrets| {
        let secrets: &'static Secrets = Box::leak(Box::new(secrets));
        kept.secrets.insert(places, secrets);
        secrets
    }))
}

impl Kept {
    fn text(&mut self, text: &str) -> Result<&'static str, Full> {
        if let Some(known) = self.texts.get(text) {
            return Ok(known);
        }
        let bytes = self.bytes.saturating_add(text.len());
        if bytes > MOST {
            return Err(Full);
        }
        let text: &'static str = Box::leak(text.into());
        self.bytes = bytes;
        self.texts.insert(text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let first = text("ListTrustedDevices").unwrap();
        assert!(std::ptr::eq(first, text(&["List", "TrustedDevices"].concat()).unwrap()));
        let places = "/value,/config/token";
        assert!(std::ptr::eq(secrets(places).unwrap().unwrap(), secrets(places).unwrap().unwrap()));
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let mut kept = Kept::default();
        let long = "a".repeat(MOST / 2);
        assert!(kept.text(&long).is_ok() && kept.text(&long).is_ok());
        assert_eq!(kept.text(&"b".repeat(MOST / 2 + 1)), Err(Full));
        assert!(kept.text("short").is_ok());
    }
}
