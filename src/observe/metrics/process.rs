//! The process as the system sees it, under the names that Prometheus' own libraries use. Read for each scrape, by the thread
//! that answers it, which serves no requests: `/proc` is memory of the kernel, no file that could hang.

use std::{fs, time::SystemTime};

use prometheus::{Counter, Gauge, IntGauge, Opts};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::families::{Families, VALID, unix_seconds};

/// The metrics.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter,
    resident: IntGauge,
    virtual_memory: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    threads: IntGauge,
    start: Gauge,
}

/// What there is in `/proc/self/stat`, in the units of the kernel.
#[derive(Debug, Default, PartialEq)]
struct Stat {
    /// In user mode and in the kernel, in clock ticks.
    cpu_ticks: u64,
    threads: i64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl Process {
    pub(super) fn new(families: &Families) -> Self {
        let opts = |name: &str, help: &str| Opts::new(name, help);
        let gauge = |name, help| families.register(IntGauge::with_opts(opts(name, help)).expect(VALID));
        Self {
            cpu: families.register(
                Counter::with_opts(opts(
                    "process_cpu_seconds_total",
                    "CPU time of the process in user mode and in the kernel, in seconds.",
                ))
                .expect(VALID),
            ),
            resident: gauge("process_resident_memory_bytes", "Resident memory of the process, in bytes."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory of the process, in bytes."),
            open_fds: gauge("process_open_fds", "Number of open file descriptors."),
            max_fds: gauge("process_max_fds", "Number of file descriptors that may be open."),
            threads: gauge("process_threads", "Number of threads."),
            start: families.register(
                Gauge::with_opts(opts(
                    "process_start_time_seconds",
                    "Unix time at which the process started, in seconds.",
                ))
                .expect(VALID),
            ),
        }
    }

    pub(super) fn started(&self, at: SystemTime) {
        self.start.set(unix_seconds(at));
    }

    /// Reads them anew. What the system does not tell stays as it was.
    pub(super) fn read(&self) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::parse(&text)) {
            let cpu = stat.cpu_ticks as f64 / clock_ticks_per_second() as f64;
            // Scrapes take turns, and CPU time does not go back.
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
            self.threads.set(stat.threads);
            self.virtual_memory.set(stat.virtual_bytes);
            self.resident.set(stat.resident_pages.saturating_mul(page_size() as i64));
        }
        if let Some(open) = open_fds() {
            self.open_fds.set(open);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            self.max_fds.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
    }
}

impl Stat {
    /// Of proc_pid_stat(5). The second field is the name of the program, in brackets, and may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        // From the third field on.
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<u64>().ok();
        let signed = |number: usize| i64::try_from(field(number)?).ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: signed(20)?,
            virtual_bytes: signed(23)?,
            resident_pages: signed(24)?,
        })
    }
}

/// Since Linux 6.2 the size of the directory is the number of its entries; before, they have to be counted.
fn open_fds() -> Option<i64> {
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return i64::try_from(size).ok();
    }
    // The directory itself is open while it is read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(count.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_may_hold_anything() {
        let rest =
            "S 1 2 3 0 -1 4194560 900 0 0 0 250 130 0 0 20 0 7 0 1234 56000000 2100 18446744073709551615 1";
        let stat = Stat { cpu_ticks: 380, threads: 7, virtual_bytes: 56_000_000, resident_pages: 2100 };
        for name in ["claviger", "a b", "a) S 1 2", "("] {
            assert_eq!(Stat::parse(&format!("42 ({name}) {rest}")).as_ref(), Some(&stat), "{name}");
        }
        assert_eq!(Stat::parse("42 (claviger) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let process = Process::new(&Families::default());
        process.read();
        let before = process.cpu.get();
        process.read();
        assert!(process.cpu.get() >= before);
        let values = [&process.resident, &process.virtual_memory, &process.threads].map(|gauge| gauge.get());
        assert!(values.iter().all(|value| *value > 0), "{values:?}");
        let counted = fs::read_dir("/proc/self/fd").unwrap().count() as i64 - 1;
        // Other tests open and close files meanwhile.
        assert!((process.open_fds.get() - counted).abs() < 200, "{} {counted}", process.open_fds.get());
        assert!(process.max_fds.get() > 0);
    }
}
