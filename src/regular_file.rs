//! Opens regular files, and nothing else: a named pipe in the place of a file would make its reader wait for ever, and a
//! device could be without end. On a network share the reading itself may still hang; whoever reads does so on a
//! thread that nothing waits for.

use std::{
    fs::{File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens `path` for reading.
///
/// # Errors
/// Those of the system; `IsADirectory`; and `Other` for what is neither a file nor a directory.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    open_with(File::options().read(true), path)
}

/// Opens `path` for reading and appending, for its owner alone; it is made where it does not exist.
///
/// # Errors
/// As of [`open`]; and where others may read it and this user may not change that.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let options = &mut File::options();
    let (file, about) = open_with(options.read(true).append(true).create(true).mode(0o600), path)?;
    if about.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<(File, Metadata)> {
    // What is there is looked at when it is open, so that nobody can exchange it in between. Opening a pipe waits for a
    // writer, unless it is told not to; for a file that changes nothing (open(2)).
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_without_a_writer_a_device_and_a_directory_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero")] {
            assert_eq!(open(path).unwrap_err().to_string(), "it is not a regular file", "{}", path.display());
            let to_append = open_to_append(path).unwrap_err();
            assert_eq!(to_append.to_string(), "it is not a regular file", "{}", path.display());
        }
        assert_eq!(open(dir.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let file = dir.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(open(&file).unwrap().1.len(), 5);
    }
}
