//! Records on the way to another vault: a text of one line for each, sealed with a key that is made for the way. Taken in
//! all at once or not at all; a record whose alias is taken stays out.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use redb::{Database, ReadableDatabase as _};
use serde::Serialize;

use super::{TENANTS, VaultFile, all, insert, sealed};
use crate::{
    ids::TenantName,
    secret::Secret,
    vault::{
        encoding,
        error::VaultError,
        record::Record,
        seal::Sealer,
        store::{Stored, Version},
    },
};

/// The first line.
const HEAD: &str = "claviger vault export 1";
const WRONG: VaultError =
    VaultError::Unfit("this is no export of a vault, or the key is not the one it is sealed with");

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Imported {
    /// Taken in.
    pub added: Vec<TenantName>,
    /// Left out: there is a tenant of this alias.
    pub taken: Vec<TenantName>,
}

impl VaultFile {
    pub(in crate::vault::embedded) fn export(&mut self, key: &Secret) -> Result<String, VaultError> {
        let way = Sealer::new(key);
        let text = self.with(|database, sealer| {
            let mut text = format!("{HEAD}\n");
            for Stored { record, .. } in all(database, sealer)? {
                let alias = record.alias.as_str();
                let bytes = encoding::write(&record).map_err(|_| super::Reason::Seal)?;
                // The version begins anew where it is taken in.
                text += &format!("{alias} {}\n", BASE64.encode(sealed(&way, alias, Version(1), bytes)?));
            }
            Ok(text)
        })?;
        Ok(text)
    }

    pub(in crate::vault::embedded) fn import(
        &mut self,
        text: &str,
        key: &Secret,
    ) -> Result<Imported, VaultError> {
        let records = records(text, &Sealer::new(key)).ok_or(WRONG)?;
        let imported = self.with(|database, sealer| take_in(database, sealer, records))?;
        Ok(imported)
    }
}

fn records(text: &str, way: &Sealer) -> Option<Vec<Record>> {
    let mut lines = text.lines();
    (lines.next()? == HEAD).then_some(())?;
    lines
        .map(|line| {
            let (alias, sealed) = line.split_once(' ')?;
            let sealed = BASE64.decode(sealed).ok()?;
            super::opened(way, alias, &sealed).ok().map(|stored| stored.record)
        })
        .collect()
}

fn take_in(database: &Database, sealer: &Sealer, records: Vec<Record>) -> Result<Imported, super::Reason> {
    let known = database.begin_read()?.open_table(TENANTS)?;
    let change = database.begin_write()?;
    let mut imported = Imported::default();
    for record in records {
        let alias = record.alias.clone();
        if known.get(alias.as_str())?.is_some() || imported.added.contains(&alias) {
            imported.taken.push(alias);
            continue;
        }
        let text = encoding::write(&record).map_err(|_| super::Reason::Seal)?;
        insert(&change, sealer, alias.as_str(), Version(1), text)?;
        imported.added.push(alias);
    }
    change.commit()?;
    Ok(imported)
}
