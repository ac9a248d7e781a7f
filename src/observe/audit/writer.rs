//! The thread that writes. Takes what has come in at one go, so that a busy log costs one write for many records,
//! and says what was lost: at once where the sink fails, and when it works again.

use std::{
    io,
    sync::{Arc, mpsc::Receiver},
};

use prometheus::IntCounter;
use tokio::sync::oneshot;

use super::{
    health::{Health, remedy},
    record::AuditRecord,
};

/// As much as is written at one go, in bytes.
const BATCH: usize = 256 * 1024;

/// What comes in.
#[derive(Debug)]
pub(super) enum Message {
    Record(Box<AuditRecord>),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// Where lines go.
pub(super) trait Sink: Send {
    /// Writes a whole line, or nothing that would be taken for one.
    fn line(&mut self, line: &[u8]) -> io::Result<()>;

    /// Writes out what is held back; on failure the number of lines that are gone.
    fn flush(&mut self) -> Result<(), (u64, io::Error)>;

    /// Bytes held back.
    fn held(&self) -> usize;
}

/// A stream of the process: nothing is held back.
pub(super) struct Stream<W>(pub(super) W);

impl<W: io::Write + Send> Sink for Stream<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.write_all(line)?;
        self.0.flush()
    }

    fn flush(&mut self) -> Result<(), (u64, io::Error)> {
        Ok(())
    }

    fn held(&self) -> usize {
        0
    }
}

/// Writes records to a sink.
pub(super) struct Writer {
    sink: Box<dyn Sink>,
    lost: IntCounter,
    /// As counted when it was last said.
    told: u64,
    broken: bool,
    /// The sink took a line since the last flush, and then failed no more.
    taken: bool,
    health: Arc<Health>,
    line: Vec<u8>,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, lost: IntCounter, health: Arc<Health>) -> Self {
        let told = lost.get();
        Self { sink, lost, told, broken: false, taken: false, health, line: Vec::new() }
    }

    /// Until nobody is left to send.
    pub(super) fn run(&mut self, receiver: &Receiver<Message>) {
        while let Ok(first) = receiver.recv() {
            let mut asked = Vec::new();
            self.take(first, &mut asked);
            while self.sink.held() < BATCH {
                let Ok(next) = receiver.try_recv() else { break };
                self.take(next, &mut asked);
            }
            self.flush();
            for done in asked {
                // Who no longer waits needs no answer.
                let _ = done.send(());
            }
        }
        self.flush();
    }

    fn take(&mut self, message: Message, asked: &mut Vec<oneshot::Sender<()>>) {
        let record = match message {
            Message::Record(record) => record,
            Message::Flush(done) => return asked.push(done),
        };
        self.line.clear();
        let written =
            serde_json::to_writer(&mut self.line, &*record).map_err(io::Error::from).and_then(|()| {
                self.line.push(b'\n');
                self.sink.line(&self.line)
            });
        match written {
            Ok(()) => self.taken = true,
            Err(error) => {
                self.lost.inc();
                self.complain(&error);
            }
        }
    }

    fn flush(&mut self) {
        match self.sink.flush() {
            Err((lines, error)) => {
                self.lost.inc_by(lines);
                self.complain(&error);
            }
            Ok(()) => {
                if std::mem::take(&mut self.taken) {
                    self.health.works();
                }
                let lost = self.lost.get();
                if lost > self.told {
                    tracing::error!(
                        records = lost - self.told,
                        file = self.health.path,
                        "audit records were lost (claviger_audit_lost_total)"
                    );
                    self.told = lost;
                    self.broken = false;
                }
            }
        }
    }

    /// In the log once for each time that it breaks, not for each record.
    fn complain(&mut self, error: &io::Error) {
        self.taken = false;
        self.health.failed(error);
        if !std::mem::replace(&mut self.broken, true) {
            let (file, remedy) = (&self.health.path, remedy(&self.health.path, error));
            tracing::error!(
                %error,
                file,
                remedy,
                "the audit log cannot be written: records are being lost"
            );
        }
    }
}
