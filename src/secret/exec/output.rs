//! What a command printed: the secret on its standard output, and the complaint on its standard error. Both are bounded;
//! what is kept of the first is zeroed. A complaint is shown as one cleaned line, and not at all where it repeats what
//! was printed as the secret.

use std::fmt;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Bytes of the longest secret, as in a file.
const MAX: usize = 64 * 1024;
/// Bytes of a complaint that are looked at.
const HEARD: usize = 4096;
/// Characters of a complaint that are shown.
const SHOWN: usize = 200;
/// Bytes of the shortest line of an output that a complaint is searched for.
const LEAST: usize = 4;

/// Why an output is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    #[error("printed more than 64 KiB: not a secret")]
    TooLarge,
    #[error("printed nothing")]
    Empty,
    #[error("printed line breaks or characters other than visible ASCII: have it print the secret alone")]
    Odd,
    #[error("cannot be read from: {0}")]
    Broken(#[from] std::io::Error),
}

/// What came on a standard output.
pub(super) struct Printed(Zeroizing<Vec<u8>>);

/// Reads a standard output to its end, unless it is larger than any secret.
pub(super) async fn printed(stdout: Option<impl AsyncRead + Unpin>) -> Result<Printed, Flaw> {
    // Room for all of it at once: growing would leave copies behind that nobody zeroes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX + 64));
    if let Some(stdout) = stdout {
        stdout.take(MAX as u64 + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > MAX { Err(Flaw::TooLarge) } else { Ok(Printed(bytes)) }
}

impl Printed {
    /// The secret. One line end at its end is not part of it.
    pub(super) fn secret(&self) -> Result<Secret, Flaw> {
        let bytes = &self.0[..];
        let text = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if text.trim_ascii().is_empty() {
            return Err(Flaw::Empty);
        }
        if !text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Flaw::Odd);
        }
        Ok(Secret::new(text.to_vec()))
    }
}

/// The beginning of what came on a standard error.
pub(super) struct Complaint(Zeroizing<Vec<u8>>);

/// Reads a standard error to its end, so that nobody who writes much to it is held up.
pub(super) async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> Complaint {
    let mut heard = Zeroizing::new(Vec::with_capacity(HEARD + 64));
    if let Some(mut stderr) = stderr {
        // What cannot be read is not shown.
        let _: std::io::Result<usize> = (&mut stderr).take(HEARD as u64).read_to_end(&mut heard).await;
        let _: std::io::Result<u64> = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    Complaint(heard)
}

impl Complaint {
    /// `: ` and its first line, cleaned and bounded; nothing where there is none.
    pub(super) fn shown(&self, printed: &Printed) -> impl fmt::Display + use<> {
        let mut lines = printed.0.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        if lines.any(|line| line.len() >= LEAST && memmem::find(&self.0, line).is_some()) {
            return ": (withheld: it repeats the secret)".to_owned();
        }
        let text = String::from_utf8_lossy(&self.0);
        match text.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) => {
                let clean = |c: char| if c.is_control() { '?' } else { c };
                format!(": {}", line.chars().take(SHOWN).map(clean).collect::<String>())
            }
            None => String::new(),
        }
    }
}
