//! What `serve` would fail at when it starts, beyond what is written in the configuration: the places of its files, and the
//! vault. What another process has open is not tried; sockets may be in a directory that the start makes, so a missing one is a
//! warning.

use std::{
    fs::TryLockError,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, PROC_SUPER_MAGIC},
    io::Errno,
};

use crate::{
    app,
    clock::Clock,
    config::{AuditOutput, Config},
    observe::audit,
    regular_file,
    vault::{VaultError, VaultTenants},
};

mod sockets;

/// What was found.
pub(in crate::cli) struct Start {
    pub(in crate::cli) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The tenants of the vault, as `serve` would find them.
    pub(super) vault: Result<VaultTenants, VaultError>,
}

impl Start {
    pub(in crate::cli) fn of(config: &Config) -> Self {
        let (errors, warnings, notes) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { errors, warnings, notes, vault: Ok(VaultTenants::default()) };
        this.sockets(config);
        this.files(config);
        this.vault(config);
        this
    }

    /// What outlives the process is in a directory that does as well.
    fn files(&mut self, config: &Config) {
        let audit = match &config.audit.output {
            AuditOutput::File { path, .. } => Some(("audit.output", path.as_path())),
            _ => None,
        };
        let vault =
            config.vault.as_ref().and_then(|vault| vault.file()).map(|path| ("vault.store", path.as_path()));
        for (key, path) in audit.into_iter().chain(vault) {
            if let Some(directory) = missing_directory(path) {
                self.errors.push(format!(
                    "{key}: there is no directory {}, and claviger serve would not start. Create it, writable for the user of claviger serve.",
                    directory.display()
                ));
            } else if path.is_dir() {
                self.errors.push(format!(
                    "{key}: {} is a directory. Write the path of a file in it.",
                    path.display()
                ));
            } else if key == "audit.output" && audit::no_file(path) {
                self.errors.push(format!("{key}: {} {}", path.display(), audit::NO_FILE));
            } else if is_kernels(directory(path)) {
                self.errors.push(format!(
                    "{key}: {} shows what the kernel knows, and no file can be made there. Name a file in another directory.",
                    directory(path).display()
                ));
            } else if let Some((place, Errno::ROFS)) = unwritable(path) {
                self.errors.push(format!(
                    "{key}: {} is on a file system that is read-only, and claviger serve would not start. Put it where that may write: a \
                     volume of its own.",
                    place.display()
                ));
            } else if let Some((place, _)) = unwritable(path) {
                let uid = rustix::process::geteuid();
                self.errors.push(format!(
                    "{key}: user {uid}, who runs this, may not write to {}, and claviger serve would not start as this user. Give it to the user \
                     of claviger serve, and check as that user.",
                    place.display()
                ));
            } else if key == "audit.output" && is_locked(path) {
                self.notes.push(format!(
                    "the audit log was not tried: another process writes {}, and claviger serve would not start beside it. To try it, stop \
                     that one and check again",
                    path.display()
                ));
            }
        }
    }

    /// What is wrong with the vault, where no process has it open: that one says so itself.
    fn vault(&mut self, config: &Config) {
        let Some(options) = &config.vault else { return };
        let Ok(runtime) = crate::cli::runtime() else { return };
        // That was said.
        if options.file().is_some_and(|path| path.is_dir() || unwritable(path).is_some()) {
            return;
        }
        if let Some(path) = options.file().filter(|path| !path.exists() && missing_directory(path).is_none())
        {
            self.notes.push(format!("there is no vault at {} yet: claviger serve begins it", path.display()));
        }
        let read = async {
            let Some(store) = app::look_into_vault(options).await? else { return Ok(Vec::new()) };
            store.list().await
        };
        self.vault = runtime
            .block_on(read)
            .map(|stored| VaultTenants::new(stored.into_iter().map(|it| it.record), config));
        match &self.vault {
            Ok(tenants) => self.warnings.extend(tenants.concerns(config, Clock::system().now().wall)),
            Err(VaultError::Unavailable(error)) if error.is_in_use() => self.notes.push(
                "the vault and its key were not tried: another process has its file open. To try them, stop it and check again"
                    .to_owned(),
            ),
            Err(error) => {
                let is_wrong = matches!(error, VaultError::Unavailable(why) if why.is_wrong());
                let said = format!("vault: {} {}", crate::cli::output::sentence(&error.to_string()), error.remedy());
                if is_wrong { self.errors.push(said) } else { self.warnings.push(said) }
            }
        }
    }
}

/// The directory that `path` is to be in, where it is not there.
fn missing_directory(path: &Path) -> Option<PathBuf> {
    let parent = directory(path);
    (!parent.is_dir()).then(|| parent.to_owned())
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Whether what is in a directory is made up by the kernel, as in /proc and /sys.
fn is_kernels(directory: &Path) -> bool {
    const SYSFS: u32 = 0x6265_6572;
    const CGROUP2: u32 = 0x6367_7270;
    let is_one = |kind: u32| [PROC_SUPER_MAGIC as u32, SYSFS, CGROUP2].contains(&kind);
    rustix::fs::statfs(directory).is_ok_and(|about| is_one(about.f_type as u32))
}

/// What this user may not write to, so that the file cannot be made or gone on with: it, or its directory.
fn unwritable(path: &Path) -> Option<(&Path, Errno)> {
    match path.exists() {
        true => refused(path, Access::READ_OK | Access::WRITE_OK),
        false => refused(directory(path), Access::WRITE_OK | Access::EXEC_OK),
    }
}

fn refused(place: &Path, wanted: Access) -> Option<(&Path, Errno)> {
    let error = rustix::fs::access(place, wanted).err()?;
    matches!(error, Errno::ACCESS | Errno::ROFS).then_some((place, error))
}

/// Whether another process has the file, as only one may.
fn is_locked(path: &Path) -> bool {
    let Ok((file, _)) = regular_file::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
