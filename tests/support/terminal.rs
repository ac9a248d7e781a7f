//! A terminal to run the program at: what it prints there, with its colours.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::Command;

/// What was printed at a terminal so far.
#[derive(Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    /// Gives `command` a terminal as its standard error.
    pub(crate) fn of(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave = File::options().read(true).write(true).open(name.to_str().expect("it is ASCII"));
        command.stderr(Stdio::from(slave.expect("it can be opened")));
        let screen = Self::default();
        screen.follow(master);
        screen
    }

    /// Until the program ends, and with it the other end.
    fn follow(&self, master: OwnedFd) {
        let (screen, mut master) = (self.clone(), File::from(master));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = master.read(&mut buffer) {
                screen.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
            }
        });
    }

    /// As text, with the line ends of a file.
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }
}
