//! Writes the log's lines on a thread of its own, so that a reader that has stopped (a stalled journal, a paused terminal) stops no
//! thread that serves. What waits to be written is bounded; beyond that, and where it cannot be written (disk full, pipe closed), lines
//! are lost, and counted.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait, beside as many that are being written: some seconds of a busy log.
const MOST: usize = 256 * 1024;
/// As much is kept for the next lines when all are written.
const USUAL: usize = 16 * 1024;

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
    lost: IntCounter,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Text,
    is_writing: bool,
}

/// Lines, one after the other, and where each ends.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Writer {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(out: impl Write + Send + 'static, lost: IntCounter) -> io::Result<Self> {
        let shared = Arc::new(Shared { lines: Mutex::default(), changed: Condvar::new(), lost });
        let writing = shared.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || writing.write_to(out))?;
        Ok(Self(shared))
    }

    /// Waits until all lines so far are written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let is_unwritten = |lines: &mut Lines| lines.is_writing || !lines.waiting.ends.is_empty();
        // What is not written by then is not read either.
        drop(self.0.changed.wait_timeout_while(self.0.lines(), patience, is_unwritten));
    }
}

impl Shared {
    fn push(&self, line: &[u8]) {
        let mut lines = self.lines();
        let text = &mut lines.waiting;
        if text.bytes.len() + line.len() > MOST {
            drop(lines);
            return self.lost.inc();
        }
        text.bytes.extend_from_slice(line);
        text.ends.push(text.bytes.len());
        if text.ends.len() == 1 {
            drop(lines);
            self.changed.notify_all();
        }
    }

    fn write_to(&self, mut out: impl Write) {
        let mut text = Text::default();
        loop {
            text.clear();
            let mut lines = self.lines();
            lines.is_writing = false;
            self.changed.notify_all();
            let is_empty = |lines: &mut Lines| lines.waiting.ends.is_empty();
            let mut lines = self.changed.wait_while(lines, is_empty).unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut text, &mut lines.waiting);
            lines.is_writing = true;
            drop(lines);
            for line in text.lines() {
                if out.write_all(line).is_err() {
                    self.lost.inc();
                }
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Text {
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[*begin..*end])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(USUAL);
        self.ends.clear();
        self.ends.shrink_to(USUAL / 64);
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// Takes one line, which comes in one piece.
pub(super) struct Line<'a>(&'a Shared);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Takes a line for each word that it gets, and says what it took.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (Writer, IntCounter, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
        let ((go, went), (took, taken)) = (mpsc::channel(), mpsc::channel());
        let lost = IntCounter::new("lost", "lost").unwrap();
        (Writer::start(Slow(went, took), lost.clone()).unwrap(), lost, go, taken)
    }

    fn say(writer: &Writer, line: &str) {
        writer.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn b47_a_reader_that_has_stopped_costs_lines_and_no_time() {
        let (writer, lost, go, taken) = writer();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..1000 {
            say(&writer, &line);
        }
        let lines = MOST as u64 / 1024;
        assert!((1000 - 2 * lines..=1000 - lines).contains(&lost.get()), "{}", lost.get());
        // Comes back, though nothing is taken.
        writer.flush(Duration::from_millis(10));
        let kept = 1000 - lost.get();
        (0..kept).for_each(|_| go.send(()).unwrap());
        writer.flush(LONG);
        assert_eq!(taken.try_iter().filter(|taken| *taken == line.as_bytes()).count() as u64, kept);
    }

    #[test]
    fn b47_lines_come_whole_and_in_order_and_all_of_them_before_the_end() {
        let (writer, lost, go, taken) = writer();
        let lines: Vec<_> = (0..100).map(|n| format!("line {n}\n")).collect();
        lines.iter().for_each(|_| go.send(()).unwrap());
        lines.iter().for_each(|line| say(&writer, line));
        writer.flush(LONG);
        assert_eq!(
            taken.try_iter().collect::<Vec<_>>(),
            lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>()
        );
        assert_eq!(lost.get(), 0);
        drop(taken);
        go.send(()).unwrap();
        say(&writer, "to a pipe that is closed\n");
        writer.flush(LONG);
        assert_eq!(lost.get(), 1);
    }
}
