//! A file that begins anew when it is full: `audit.jsonl` is written, `audit.jsonl.1` is the last full one, and so
//! on to `keep`. What could not be written whole is taken back, so that every line of every file is a record.
//! The file is locked as long as it is written: two processes would rename it under each other.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::PROC_SUPER_MAGIC;

use super::writer::Sink;

/// The file and its predecessors.
pub(super) struct Rotated {
    path: PathBuf,
    file: File,
    /// Of whole lines in the file.
    length: u64,
    max_bytes: u64,
    keep: u32,
    held: Vec<u8>,
    /// In `held`.
    lines: u64,
    /// Lines that are gone and have not been told of.
    dropped: u64,
}

impl Rotated {
    /// Opens it, to go on where it ends.
    pub(super) fn open(path: PathBuf, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let (file, length) = open(&path)?;
        Ok(Self { path, file, length, max_bytes, keep, held: Vec::new(), lines: 0, dropped: 0 })
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Where the new file could not be made the last time, the old ones have moved already. One that another
        // process has put there meanwhile is that one's to move.
        if is_at(&self.file.metadata()?, &self.path)? {
            for number in (1..self.keep).rev() {
                rename(&numbered(&self.path, number), &numbered(&self.path, number + 1))?;
            }
            if self.keep == 0 {
                fs::remove_file(&self.path)?;
            } else {
                rename(&self.path, &numbered(&self.path, 1))?;
            }
        }
        (self.file, self.length) = open(&self.path)?;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.write_all(&self.held) {
            // Half a line must not be taken for a record. Where even that fails, the next one goes behind it.
            if self.file.set_len(self.length).is_err() {
                let _ = self.file.write_all(b"\n");
            }
            return Err(error);
        }
        self.length += self.held.len() as u64;
        Ok(())
    }
}

impl Sink for Rotated {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let full = self.length + (self.held.len() + line.len()) as u64 > self.max_bytes;
        if full && self.length + self.held.len() as u64 > 0 {
            if let Err((lines, error)) = self.flush() {
                self.dropped += lines;
                return Err(error);
            }
            self.rotate()?;
        }
        self.held.extend_from_slice(line);
        self.lines += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), (u64, io::Error)> {
        let written = if self.held.is_empty() { Ok(()) } else { self.write() };
        self.held.clear();
        let (lines, dropped) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.dropped));
        match written {
            Err(error) => Err((lines + dropped, error)),
            Ok(()) if dropped > 0 => Err((dropped, io::Error::other("it could not be written a moment ago"))),
            Ok(()) => Ok(()),
        }
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

/// Whether a device, a pipe or a socket is at `path`, or a name for what a process has open, as /dev/stdout is one for
/// what may be a regular file.
pub fn no_file(path: &Path) -> bool {
    const MOST_LINKS: usize = 8;
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        let directory = at.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let Ok(target) = fs::read_link(&at) else { break };
        if rustix::fs::statfs(directory).is_ok_and(|about| about.f_type as u32 == PROC_SUPER_MAGIC as u32) {
            return true;
        }
        at = directory.join(target);
    }
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Nobody but the user of this process reads it, and no other process writes it. A line that a crash cut short is
/// ended.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = locked(path)?;
    let mut length = file.metadata()?.len();
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            length += 1;
        }
    }
    Ok((file, length))
}

/// [`io::ErrorKind::WouldBlock`] where another process has it.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let about = file.metadata()?;
        // It was put there since it was looked at.
        if !about.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            // A file system without locks is no reason to have no audit log.
            Err(TryLockError::Error(_)) => return Ok(file),
            // Between the opening and the lock, the process that had it may have moved it.
            Ok(()) if is_at(&about, path)? => return Ok(file),
            Ok(()) => {}
        }
    }
}

/// Whether the file is the one that `path` names now.
fn is_at(file: &Metadata, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (file.dev(), file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// One that is not there need not be moved.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
