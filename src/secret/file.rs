//! A secret in a file that is read anew for each use. The reading is done on a thread of its own, because a network share
//! may hang; whoever waits does so for a time, and a read that hangs is not joined by another one.

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use tokio::sync::{Semaphore, oneshot};

use super::{
    Secret,
    provider::{Age, Read, Reading, SecretProvider, Unreadable},
    source::{SecretError, SecretSource},
};

/// A secret in a file.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    /// How long one read may take.
    timeout: Duration,
    read: fn(&SecretSource) -> Result<Secret, SecretError>,
    /// Whoever holds it reads.
    turn: Arc<Semaphore>,
}

impl SecretFile {
    /// In the file at `path`.
    pub(super) fn new(path: PathBuf, timeout: Duration) -> Self {
        Self { path, timeout, read: SecretSource::read, turn: Arc::new(Semaphore::new(1)) }
    }

    async fn read_anew(&self) -> Result<Reading, Unreadable> {
        let began = tokio::time::Instant::now();
        let turn = tokio::time::timeout(self.timeout, self.turn.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(|| self.hangs())?;
        let (tell, told) = oneshot::channel();
        let (read, source) = (self.read, SecretSource::File(self.path.clone()));
        let reading = move || {
            let secret = read(&source);
            drop(turn);
            // Whoever asked may have stopped waiting.
            let _ = tell.send(secret);
        };
        let thread = thread::Builder::new().name("secret".into()).spawn(reading);
        thread.map_err(|error| Unreadable::new(format!("no thread to read a file with: {error}")))?;
        let left = self.timeout.saturating_sub(began.elapsed());
        let read = tokio::time::timeout(left, told).await.ok().and_then(Result::ok);
        let secret = read.ok_or_else(|| self.hangs())?;
        let secret = secret.map_err(|error| Unreadable::new(error.to_string()))?;
        Ok(Reading { secret, age: Age::Fresh })
    }

    fn hangs(&self) -> Unreadable {
        let (path, timeout) = (self.path.display(), humantime::format_duration(self.timeout));
        Unreadable::new(format!("the file {path} could not be read within {timeout}"))
    }
}

impl SecretProvider for SecretFile {
    fn read(&self) -> Read<'_> {
        Box::pin(self.read_anew())
    }

    /// Nothing is remembered.
    fn last(&self) -> Option<Secret> {
        None
    }

    fn refused(&self, _: &Secret) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(file: &SecretFile) -> Result<String, String> {
        let reading = file.read().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(reading.secret.expose().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_read_sees_the_file_of_now_and_what_is_no_secret_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let file = SecretFile::new(path.clone(), Duration::from_secs(60));
        assert!(read(&file).await.unwrap_err().starts_with("cannot read the file"));
        for token in ["one\n", "two\n"] {
            std::fs::write(&path, token).unwrap();
            assert_eq!(read(&file).await.as_deref(), Ok(token.trim_end()));
        }
        std::fs::write(&path, " \n").unwrap();
        assert!(read(&file).await.unwrap_err().ends_with("is empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(read(&file).await.unwrap_err().ends_with("it is not a regular file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
        assert!(read(&file).await.unwrap_err().contains("larger than 64 KiB"));
    }

    /// A stand-in for a network share that hangs, until the file at the path is there.
    fn hangs(source: &SecretSource) -> Result<Secret, SecretError> {
        loop {
            if let Ok(secret) = source.read() {
                return Ok(secret);
            }
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn b31_a_read_that_hangs_is_given_up_and_no_second_thread_joins_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let short = Duration::from_millis(20);
        let mut file = SecretFile { read: hangs, ..SecretFile::new(path.clone(), short) };
        for _ in 0..3 {
            assert!(read(&file).await.unwrap_err().ends_with("could not be read within 20ms"));
            assert_eq!(file.turn.available_permits(), 0, "the first one still reads, alone");
        }
        std::fs::write(&path, "late").unwrap();
        file.timeout = Duration::from_secs(60);
        assert_eq!(read(&file).await.as_deref(), Ok("late"));
    }
}
