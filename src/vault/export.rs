//! Records on the way to another vault: a text of one line for each, sealed with a key that is made for the way. Its last line seals
//! the digest of those before it: of a text that was cut off, or has lost a line, no record is taken.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

use super::{
    encoding,
    error::{ExportError, Unavailable, VaultError},
    record::Record,
    seal::{Sealer, opened, sealed, sealer},
    store::{Stored, Version},
};
use crate::secret::Secret;

/// The first line.
const HEAD: &str = "claviger vault export 1";
/// How the last line begins: no alias is spelt so. The number of records follows, and what is sealed.
const END: &str = "END ";
/// What the last line is sealed as: no record has this version.
const END_VERSION: u64 = 0;

/// The records as text, sealed with `key`.
///
/// # Errors
/// [`VaultError`], where one cannot be sealed.
pub fn export(records: &[Stored], key: &Secret) -> Result<String, VaultError> {
    let way = sealer(key);
    let mut text = format!("{HEAD}\n");
    for Stored { record, .. } in records {
        let alias = record.alias.as_str();
        let bytes = encoding::write(record).map_err(VaultError::Unfit)?;
        // The version begins anew where it is taken in.
        let sealed = sealed(&way, alias, Version(1), bytes).ok_or_else(Unavailable::no_seal)?;
        text += &format!("{alias} {}\n", BASE64.encode(sealed));
    }
    let digest = Zeroizing::new(digest(text.lines()));
    let end = way.seal(END.as_bytes(), END_VERSION, digest).map_err(|_| Unavailable::no_seal())?;
    text += &format!("{END}{} {}\n", records.len(), BASE64.encode(end));
    Ok(text)
}

/// The records of such a text.
///
/// # Errors
/// [`VaultError::NoExport`]: it is another text or sealed with another key, or lines of it are missing.
pub fn exported(text: &str, key: &Secret) -> Result<Vec<Record>, VaultError> {
    Ok(records(text, &sealer(key))?)
}

fn records(text: &str, way: &Sealer) -> Result<Vec<Record>, ExportError> {
    let mut lines: Vec<_> = text.lines().collect();
    if lines.first() != Some(&HEAD) {
        return Err(ExportError::Strange);
    }
    let last = lines.pop().and_then(|last| last.strip_prefix(END)).ok_or(ExportError::NotWhole)?;
    let whole = last.split_once(' ').and_then(|(_, sealed)| BASE64.decode(sealed).ok());
    let whole = whole.ok_or(ExportError::NotWhole)?;
    let whole = way.open(END.as_bytes(), END_VERSION, &whole).ok_or(ExportError::Strange)?;
    if *whole != digest(lines.iter().copied()) {
        return Err(ExportError::NotWhole);
    }
    lines.into_iter().skip(1).map(|line| record(line, way).ok_or(ExportError::Strange)).collect()
}

fn record(line: &str, way: &Sealer) -> Option<Record> {
    let (alias, sealed) = line.split_once(' ')?;
    let sealed = BASE64.decode(sealed).ok()?;
    opened(way, alias, &sealed).map(|stored| stored.record)
}

/// Of all lines but the last, whatever ends a line here.
fn digest<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for line in lines {
        context.update(line.as_bytes());
        context.update(b"\n");
    }
    context.finish().as_ref().to_vec()
}
