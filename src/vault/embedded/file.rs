//! What is in the file: one table of sealed records by alias, and one entry that says with which key they are sealed. Each
//! change is a transaction that is on the disk when it is answered. Blocking.

#[cfg(test)]
pub(super) mod dying;
mod error;

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, StorageBackend as _, TableDefinition,
    WriteTransaction,
    backends::{FileBackend, InMemoryBackend},
};
use zeroize::Zeroizing;

use self::error::{Reason, unavailable};
use crate::{
    ids::TenantName,
    regular_file,
    secret::Secret,
    vault::{
        encoding,
        error::{Unavailable, VaultError},
        memory::matches,
        record::Record,
        seal::{self, Sealer},
        store::{self, Checkup, Imported, Stored, Version},
    },
};

/// `version ‖ sealed record`, by alias.
const TENANTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tenants");
/// What is known of the file as a whole.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// Where the proof of the key is.
const PROOF: &str = "key";
/// Where the highest version is that a record has or had: none is used twice, so whoever knows one of a record that was removed
/// does not find it in the next of that alias.
const LAST: &str = "version";
/// Bytes of the file that are kept in memory; ten thousand records have about six million, and are read once.
const CACHE: usize = 1 << 20;
/// The largest file that is copied into memory.
const MOST_COPIED: u64 = 1 << 30;

/// The file, open and locked.
pub(super) struct VaultFile {
    path: PathBuf,
    sealer: Sealer,
    /// `None` after an error, which the next use tries to mend by opening it again.
    database: Option<Database>,
    /// How it is opened.
    open: fn(&Path) -> Result<Database, Reason>,
}

impl VaultFile {
    pub(super) fn open(path: PathBuf, key: &Secret) -> Result<Self, Unavailable> {
        let made = create(&path).map_err(|error| unavailable(&path, error))?;
        if !made {
            return Self::open_existing(path, key);
        }
        // The file's own name is on the disk before anything in it is relied on.
        sync_directory(&path).map_err(|error| unavailable(&path, error))?;
        match Self::proved(path.clone(), key, fresh) {
            Ok(file) => {
                store::begun(path.display());
                Ok(Self { open: database, ..file })
            }
            Err(error) => {
                // Nothing is left behind that the next start would take for a vault that was emptied.
                if !error.is_in_use() {
                    let _: io::Result<()> = std::fs::remove_file(&path);
                }
                Err(error)
            }
        }
    }

    pub(super) fn open_existing(path: PathBuf, key: &Secret) -> Result<Self, Unavailable> {
        Self::proved(path, key, database)
    }

    /// What is in the file, in memory: it is neither sealed, nor mended after a crash, nor changed in any other way.
    pub(super) fn open_copy(path: PathBuf, key: &Secret) -> Result<Self, Unavailable> {
        Self::proved(path, key, copy)
    }

    fn proved(
        path: PathBuf,
        key: &Secret,
        open: fn(&Path) -> Result<Database, Reason>,
    ) -> Result<Self, Unavailable> {
        let mut file = Self { path, sealer: seal::sealer(key), database: None, open };
        file.prove_key()?;
        Ok(file)
    }

    /// Whether the file is sealed with this key; a new one is from now on.
    fn prove_key(&mut self) -> Result<(), Unavailable> {
        let proof = seal::proof(&self.sealer);
        let write = |database: &Database, sealer: &Sealer| {
            let read = database.begin_read()?;
            let known = match read.open_table(ABOUT) {
                Ok(table) => table.get(PROOF)?.map(|proof| proof.value().to_vec()),
                Err(redb::TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            };
            match known {
                Some(known) if seal::proves(sealer, &known) => return Ok(()),
                Some(_) => return Err(Reason::Key),
                // Of a file that somebody else made.
                None if read.list_tables()?.next().is_some() => return Err(Reason::Foreign),
                None => {}
            }
            let change = database.begin_write()?;
            change.open_table(ABOUT)?.insert(PROOF, proof.ok_or(Reason::Seal)?.as_slice())?;
            change.open_table(TENANTS)?;
            Ok(change.commit()?)
        };
        self.with(write)
    }

    pub(super) fn get(&mut self, alias: &TenantName) -> Result<Option<Stored>, Unavailable> {
        self.with(|database, sealer| {
            let table = database.begin_read()?.open_table(TENANTS)?;
            let found = table.get(alias.as_str())?;
            found.map(|found| opened(sealer, alias.as_str(), found.value())).transpose()
        })
    }

    pub(super) fn list(&mut self) -> Result<Vec<Stored>, Unavailable> {
        self.with(all)
    }

    pub(super) fn put(&mut self, record: &Record, known: Option<Version>) -> Result<Version, VaultError> {
        let text = encoding::write(record).map_err(VaultError::Unfit)?;
        self.change(&record.alias, known, |sealer, table, version| {
            let sealed = sealed(sealer, record.alias.as_str(), version, text)?;
            table.insert(record.alias.as_str(), sealed.as_slice())?;
            Ok(())
        })
    }

    pub(super) fn remove(&mut self, alias: &TenantName, known: Version) -> Result<(), VaultError> {
        let removed = self.change(alias, Some(known), |_, table, _| {
            table.remove(alias.as_str())?;
            Ok(())
        });
        removed.map(drop)
    }

    /// Makes a change to the record of `known` version, with a version that none has had.
    fn change(
        &mut self,
        alias: &TenantName,
        known: Option<Version>,
        make: impl FnOnce(&Sealer, &mut redb::Table<'_, &str, &[u8]>, Version) -> Result<(), Reason>,
    ) -> Result<Version, VaultError> {
        self.with(|database, sealer| {
            let change = database.begin_write()?;
            let version = next(&change, 1)?;
            {
                let mut table = change.open_table(TENANTS)?;
                let there = table.get(alias.as_str())?.and_then(|found| seal::version(found.value()));
                if let Err(refused) = matches(alias, there, known) {
                    return Ok(Err(refused));
                }
                make(sealer, &mut table, version)?;
            }
            change.commit()?;
            Ok(Ok(version))
        })?
    }

    pub(super) fn verify(&mut self) -> Result<Checkup, Unavailable> {
        // Opening it anew looks at all of its pages.
        self.database = None;
        let mut database = (self.open)(&self.path).map_err(|error| unavailable(&self.path, error))?;
        let sound = database.check_integrity().map_err(|error| unavailable(&self.path, error))?;
        self.database = Some(database);
        if !sound {
            return Err(unavailable(&self.path, Reason::Damaged("pages that do not fit together".into())));
        }
        let about = std::fs::metadata(&self.path).map_err(|error| unavailable(&self.path, error))?;
        let mode = about.permissions().mode() & 0o777;
        Ok(Checkup {
            records: self.list()?.len(),
            bytes: about.len(),
            open_to_others: (mode & 0o077 != 0).then_some(mode),
            concerns: Vec::new(),
        })
    }

    pub(super) fn rekey(&mut self, key: &Secret) -> Result<usize, Unavailable> {
        let new = seal::sealer(key);
        let count = self.with(|database, sealer| {
            let records = all(database, sealer)?;
            let change = database.begin_write()?;
            let proof = seal::proof(&new).ok_or(Reason::Seal)?;
            change.open_table(ABOUT)?.insert(PROOF, proof.as_slice())?;
            let Version(first) = next(&change, records.len())?;
            for (version, Stored { record, .. }) in (first..).zip(&records) {
                let text = encoding::write(record).map_err(|_| Reason::Seal)?;
                insert(&change, &new, record.alias.as_str(), Version(version), text)?;
            }
            change.commit()?;
            Ok(records.len())
        })?;
        self.sealer = new;
        Ok(count)
    }

    /// Takes in all at once or none; a record whose alias is taken stays out.
    pub(super) fn import(&mut self, records: Vec<Record>) -> Result<Imported, VaultError> {
        Ok(self.with(|database, sealer| take_in(database, sealer, records))?)
    }

    /// A file that is not there, in the place of one that is to be let go.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        let sealer = seal::sealer(&Secret::new(Vec::new()));
        Self { path: PathBuf::new(), sealer, database: None, open: database }
    }

    /// Does something with the database, which is opened anew after an error.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database, &Sealer) -> Result<T, Reason>,
    ) -> Result<T, Unavailable> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.open)(&self.path).map_err(|error| unavailable(&self.path, error))?,
        };
        let done = work(&database, &self.sealer).map_err(|error| unavailable(&self.path, error))?;
        self.database = Some(database);
        Ok(done)
    }
}

fn all(database: &Database, sealer: &Sealer) -> Result<Vec<Stored>, Reason> {
    let table = database.begin_read()?.open_table(TENANTS)?;
    let mut records = Vec::new();
    for entry in table.iter()? {
        let (alias, found) = entry?;
        records.push(opened(sealer, alias.value(), found.value())?);
    }
    Ok(records)
}

fn take_in(database: &Database, sealer: &Sealer, records: Vec<Record>) -> Result<Imported, Reason> {
    let known = database.begin_read()?.open_table(TENANTS)?;
    let change = database.begin_write()?;
    let mut imported = Imported::default();
    let Version(first) = next(&change, records.len())?;
    for (version, record) in (first..).zip(records) {
        let alias = record.alias.clone();
        if known.get(alias.as_str())?.is_some() || imported.added.contains(&alias) {
            imported.taken.push(alias);
            continue;
        }
        let text = encoding::write(&record).map_err(|_| Reason::Seal)?;
        insert(&change, sealer, alias.as_str(), Version(version), text)?;
        imported.added.push(alias);
    }
    change.commit()?;
    Ok(imported)
}

/// The first of so many versions that no record has or had. A file that was made before they were counted goes on above the
/// highest there.
fn next(change: &WriteTransaction, count: usize) -> Result<Version, Reason> {
    let full = || Reason::Damaged("it has no versions left".into());
    let mut about = change.open_table(ABOUT)?;
    let known = about.get(LAST)?.and_then(|last| seal::version(last.value()));
    let Version(last) = match known {
        Some(last) => last,
        None => highest(change)?,
    };
    let end = u64::try_from(count).ok().and_then(|count| last.checked_add(count)).ok_or_else(full)?;
    about.insert(LAST, end.to_be_bytes().as_slice())?;
    Ok(Version(last.checked_add(1).ok_or_else(full)?))
}

fn highest(change: &WriteTransaction) -> Result<Version, Reason> {
    let mut highest = Version(0);
    for entry in change.open_table(TENANTS)?.iter()? {
        highest = highest.max(seal::version(entry?.1.value()).unwrap_or(highest));
    }
    Ok(highest)
}

fn insert(
    change: &WriteTransaction,
    sealer: &Sealer,
    alias: &str,
    version: Version,
    text: Zeroizing<Vec<u8>>,
) -> Result<(), Reason> {
    change.open_table(TENANTS)?.insert(alias, sealed(sealer, alias, version, text)?.as_slice())?;
    Ok(())
}

fn sealed(
    sealer: &Sealer,
    alias: &str,
    version: Version,
    text: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, Reason> {
    seal::sealed(sealer, alias, version, text).ok_or(Reason::Seal)
}

fn opened(sealer: &Sealer, alias: &str, found: &[u8]) -> Result<Stored, Reason> {
    let why = || Reason::Damaged(format!("the record of {} does not open", alias.escape_debug()));
    seal::opened(sealer, alias, found).ok_or_else(why)
}

/// Makes the file, for this user alone, where there is none; says whether it did.
fn create(path: &Path) -> io::Result<bool> {
    match File::options().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// One that there is.
fn database(path: &Path) -> Result<Database, Reason> {
    open_or_begin(path, false)
}

/// One that this process made, with nothing in it yet.
fn fresh(path: &Path) -> Result<Database, Reason> {
    open_or_begin(path, true)
}

fn open_or_begin(path: &Path, may_be_empty: bool) -> Result<Database, Reason> {
    let file = File::options().read(true).write(true).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Reason::Foreign);
    }
    let builder = builder();
    let backend = FileBackend::new(file)?;
    if !may_be_empty && backend.len()? == 0 {
        return Err(Reason::Empty);
    }
    #[cfg(test)]
    if let Some(plan) = dying::plan() {
        return Ok(builder.create_with_backend(dying::Mortal::new(backend, plan))?);
    }
    Ok(builder.create_with_backend(backend)?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn copy(path: &Path) -> Result<Database, Reason> {
    let (mut file, _) = regular_file::open(path)?;
    // The database itself locks it so as well, for the sake of its older versions.
    if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        return Err(Reason::Locked);
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MOST_COPIED + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length == 0 {
        return Err(Reason::Empty);
    }
    if length > MOST_COPIED {
        return Err(io::Error::other("it is larger than 1 GiB, so it was not tried").into());
    }
    let memory = InMemoryBackend::new();
    memory.set_len(length)?;
    memory.write(0, &bytes)?;
    Ok(builder().create_with_backend(memory)?)
}
