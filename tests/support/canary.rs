//! Looks for secrets in what came out of a program: as they are, as digests, and in every encoding that a
//! careless line of code could give them.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem;

use super::tap::Tap;

/// Every secret that these tests give to Claviger begins with this.
pub(crate) const MARK: &str = "CANARY-held-";
/// Every token of the embedded Logto begins with this: a JSON object, in base64, with `alg` in front.
const TOKEN: &str = "eyJhbGciOi";

/// The secrets to look for, and under which names.
#[derive(Default)]
pub(crate) struct Canary {
    needles: Vec<(String, Vec<u8>)>,
}

impl Canary {
    /// What must never come out of any program in any test: a held secret, an upstream token.
    pub(crate) fn common() -> Self {
        let needle = |what: &str, text: &str| (what.to_owned(), text.as_bytes().to_vec());
        Self { needles: vec![needle("a held secret", MARK), needle("an upstream token", TOKEN)] }
    }

    /// Looks for `secret` in all its forms.
    pub(crate) fn watch(&mut self, what: &str, secret: &str) {
        let mut add = |form: &str, needle: Vec<u8>| {
            assert!(needle.len() >= 8, "{what}: too short to be found by its {form}");
            self.needles.push((format!("{what} {form}"), needle));
        };
        add("as it is", secret.into());
        add("percent-encoded", form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().into());
        add("in hexadecimal", hex(secret.as_bytes()).into());
        add("in reverse", secret.bytes().rev().collect());
        for (shift, text) in shifted(secret.as_bytes()) {
            add(&format!("in base64, shifted by {shift}"), text.into());
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
        add("as SHA-256", digest.as_ref().to_vec());
        add("as SHA-256 in hexadecimal", hex(digest.as_ref()).into());
        add("as SHA-256 in capital hexadecimal", hex(digest.as_ref()).to_uppercase().into());
        // A short form of a digest is a digest as well.
        add("as the start of a SHA-256", hex(&digest.as_ref()[..6]).into());
        add("as SHA-256 in base64", STANDARD_NO_PAD.encode(digest.as_ref()).into());
        add("as SHA-256 in base64 for URLs", URL_SAFE_NO_PAD.encode(digest.as_ref()).into());
    }

    /// Looks for `secret` in clear alone.
    pub(crate) fn watch_as_it_is(&mut self, what: &str, secret: &str) {
        self.needles.push((format!("{what} as it is"), secret.into()));
    }

    /// What was found, and where: `(secret, piece of output)`.
    pub(crate) fn found(&self, tap: &Tap) -> Vec<(String, String)> {
        let finders: Vec<_> = self.needles.iter().map(|(what, n)| (what, memmem::Finder::new(n))).collect();
        let mut found = Vec::new();
        tap.each(|place, bytes| {
            for (what, finder) in &finders {
                if let Some(at) = finder.find(bytes) {
                    let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + 40)];
                    found.push(((*what).clone(), format!("{place}: …{}…", String::from_utf8_lossy(around))));
                }
            }
        });
        found
    }

    /// Fails with every finding.
    pub(crate) fn assert_silent(&self, tap: &Tap) {
        let found = self.found(tap);
        assert!(
            found.is_empty(),
            "leaked:\n{}",
            found.iter().map(|(s, p)| format!("{s} in {p}\n")).collect::<String>()
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The part of the base64 of any text that holds `secret` which depends on nothing else, for the three ways in
/// which it can fall on the groups of three bytes.
fn shifted(secret: &[u8]) -> impl Iterator<Item = (usize, String)> {
    let engines = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD];
    (0..3).flat_map(move |shift| {
        let padded = [vec![0; shift], secret.to_vec()].concat();
        let whole = padded.len() / 3 * 3;
        engines.map(|engine| {
            (shift, engine.encode(&padded[..whole])[if shift == 0 { 0 } else { 4 }..].to_owned())
        })
    })
}

#[test]
fn a_leak_is_found_in_every_form() {
    let secret = "CANARY-held-secret-for-the-canary";
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    let leaks = [
        format!("x{secret}y"),
        STANDARD_NO_PAD.encode(format!("id:{secret}")),
        STANDARD_NO_PAD.encode(format!("an id:{secret} and more")),
        URL_SAFE_NO_PAD.encode(format!("i:{secret}")),
        hex(digest.as_ref()),
        format!("secret {}…", hex(&digest.as_ref()[..8])),
        STANDARD_NO_PAD.encode(digest.as_ref()),
    ];
    let mut canary = Canary::default();
    canary.watch("it", secret);
    for leak in leaks {
        let tap = Tap::default();
        tap.keep("log", leak.as_bytes());
        assert!(!canary.found(&tap).is_empty(), "{leak}");
    }
    let tap = Tap::default();
    tap.keep("log", b"nothing of the kind");
    assert!(canary.found(&tap).is_empty());
}
