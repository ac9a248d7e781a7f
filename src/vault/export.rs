//! Records on the way to another vault: a text of one line for each, sealed with a key that is made for the way.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{
    encoding,
    error::{Unavailable, VaultError},
    record::Record,
    seal::{Sealer, opened, sealed, sealer},
    store::{Stored, Version},
};
use crate::secret::Secret;

/// The first line.
const HEAD: &str = "claviger vault export 1";

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
    Ok(text)
}

/// The records of such a text.
///
/// # Errors
/// [`VaultError::NoExport`] where it is another text or another key.
pub fn exported(text: &str, key: &Secret) -> Result<Vec<Record>, VaultError> {
    records(text, &sealer(key)).ok_or(VaultError::NoExport)
}

fn records(text: &str, way: &Sealer) -> Option<Vec<Record>> {
    let mut lines = text.lines();
    (lines.next()? == HEAD).then_some(())?;
    lines
        .map(|line| {
            let (alias, sealed) = line.split_once(' ')?;
            let sealed = BASE64.decode(sealed).ok()?;
            opened(way, alias, &sealed).map(|stored| stored.record)
        })
        .collect()
}
