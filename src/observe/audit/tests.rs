use std::{io, sync::Mutex, time::SystemTime};

use tokio::time::Instant;

use super::{
    health::remedy,
    record::{RequestRecord, SCHEMA},
    writer::Sink,
    *,
};
use crate::{
    config::RuleText,
    ids::PolicyName,
    observe::{
        Details, Events, Issued, Metrics, OperationMetrics, Outcome, Record, Recorder, RequestId,
        SecretsShown, ShownRule, Side, captured::Captured,
    },
    policy::{decide::RuleSource, rules::Effect},
};

fn record(number: usize) -> AuditRecord {
    AuditRecord::Request(RequestRecord {
        time: SystemTime::UNIX_EPOCH,
        schema: SCHEMA,
        request_id: format!("r{number}"),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        caller: Some("billing".into()),
        identified_by: Some("api_key"),
        key: Some("2026-11".into()),
        issuer: None,
        subject: None,
        certificate: None,
        peer: None,
        peer_uid: Some(1001),
        tenant: Some("acme".into()),
        operation: Some("UpdateUser"),
        method: "PATCH".into(),
        via: None,
        path: Some("/api/users/u1".into()),
        policy: Some(Arc::new(config::PolicyVersion::of(&config::Config::default()))),
        rule: Some(ShownRule {
            policy: "support".into(),
            effect: "allow",
            text: "UpdateUser".into(),
            conditions: true,
            origin: "claviger.toml:7".into(),
        }),
        secrets: Some(SecretsShown::Masked),
        outcome: Outcome::Answered,
        status: 200,
        code: None,
        side: None,
        auth_method: None,
        cause: None,
        source: "upstream",
        issued: None,
        attempts: 1,
        upstream_request_id: Some("u".into()),
        duration_ms: 1.5,
    })
}

fn flush(audit: &Audit) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(audit.flush(Duration::from_secs(10)));
}

fn counter() -> IntCounter {
    IntCounter::new("lost", "lost").unwrap()
}

fn to_file(path: &std::path::Path, max_bytes: u64, keep: u32) -> config::Audit {
    config::Audit { output: AuditOutput::File { path: path.into(), max_bytes, keep } }
}

/// The ids of a file's records; every line is one.
fn ids(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let id = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect(line);
        value["request_id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

#[test]
fn a_full_file_makes_room_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let line = serde_json::to_string(&record(0)).unwrap().len() as u64 + 1;
    let lost = counter();
    let audit = Audit::open(&to_file(&path, 2 * line, 2), lost.clone()).unwrap().unwrap();
    for number in 0..9 {
        audit.write(record(number));
        flush(&audit);
    }
    assert_eq!(ids(&path), ["r8"]);
    assert_eq!(ids(&dir.path().join("audit.jsonl.1")), ["r6", "r7"]);
    assert_eq!(ids(&dir.path().join("audit.jsonl.2")), ["r4", "r5"]);
    assert!(!dir.path().join("audit.jsonl.3").exists());
    assert_eq!(lost.get(), 0);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn it_goes_on_where_the_last_process_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut first = Rotated::open(path.clone(), 1 << 20, 0).unwrap();
    first.line(format!("{}\n", serde_json::to_string(&record(1)).unwrap()).as_bytes()).unwrap();
    Sink::flush(&mut first).unwrap();
    drop(first);
    // A crash in the middle of a line.
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"time\":");
    std::fs::write(&path, &text).unwrap();
    let second = Audit::open(&to_file(&path, 1 << 20, 0), counter()).unwrap().unwrap();
    second.write(record(2));
    flush(&second);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[2].contains("\"r2\""), "{text}");
}

#[test]
fn a_place_that_cannot_be_written_is_said_at_the_start() {
    let error =
        Audit::open(&to_file("/nonexistent/audit.jsonl".as_ref(), 1 << 20, 1), counter()).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("audit.output: /nonexistent/audit.jsonl cannot be written: "), "{said}");
    let uid = rustix::process::geteuid().as_raw();
    let remedy = format!(". Create the directory /nonexistent, writable for uid {uid}.");
    assert!(said.ends_with(&remedy), "{said}");
}

#[test]
fn a_file_has_one_writer_before_and_after_it_is_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let line = serde_json::to_string(&record(0)).unwrap().len() as u64 + 1;
    let audit = Audit::open(&to_file(&path, line, 1), counter()).unwrap().unwrap();
    for number in 0..3 {
        audit.write(record(number));
        flush(&audit);
        let error = Audit::open(&to_file(&path, line, 1), counter()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "audit.output: {} is written by another process; give each one a file of its own",
                path.display()
            )
        );
    }
    assert_eq!((ids(&path), ids(&dir.path().join("audit.jsonl.1"))), (vec!["r2".into()], vec!["r1".into()]));
    // What has been moved away is free.
    assert!(Rotated::open(dir.path().join("audit.jsonl.1"), 1 << 20, 1).is_ok());
}

/// Somebody else made the file just when it was moved away: it stays as it is, and is taken over when it is free.
#[test]
fn a_file_of_another_process_is_not_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut ours = Rotated::open(path.clone(), 4, 1).unwrap();
    ours.line(b"one\n").unwrap();
    Sink::flush(&mut ours).unwrap();
    std::fs::rename(&path, dir.path().join("audit.jsonl.1")).unwrap();
    let mut theirs = Rotated::open(path.clone(), 1 << 20, 1).unwrap();
    theirs.line(b"two\n").unwrap();
    Sink::flush(&mut theirs).unwrap();
    assert_eq!(ours.line(b"lost").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    drop(theirs);
    ours.line(b"six\n").unwrap();
    Sink::flush(&mut ours).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\nsix\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("audit.jsonl.1")).unwrap(), "one\n");
}

#[test]
fn off_is_off() {
    assert!(Audit::open(&config::Audit { output: AuditOutput::Off }, counter()).unwrap().is_none());
}

/// A disk with room for some bytes, as the device would behave: writes what fits, then fails.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

impl Sink for Disk {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.1.extend_from_slice(line);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), (u64, io::Error)> {
        Ok(())
    }

    fn held(&self) -> usize {
        0
    }
}

#[test]
fn a_full_disk_costs_the_records_of_that_time_and_each_is_counted() {
    let (disk, lost, health) = (Disk::default(), counter(), Health::of("/var/log/a.jsonl".into()));
    let (sender, receiver) = sync_channel(ROOM);
    let mut writer = writer::Writer::new(Box::new(disk.clone()), lost.clone(), health.clone());
    let thread = std::thread::spawn(move || writer.run(&receiver));
    let audit = Audit { sender, lost: lost.clone(), health };
    for (number, full) in [(1, false), (2, true), (3, true), (4, false)] {
        disk.0.lock().unwrap().0 = full;
        audit.write(record(number));
        flush(&audit);
        let status = audit.status();
        assert_eq!((status.file.as_str(), status.last_error.is_some()), ("/var/log/a.jsonl", full));
    }
    assert_eq!((lost.get(), audit.status().lost), (2, 2));
    drop(audit);
    thread.join().unwrap();
    let text = String::from_utf8(disk.0.lock().unwrap().1.clone()).unwrap();
    assert_eq!(text.lines().count(), 2);
}

/// A rotation renames what is there: a device, a pipe, or the link by which a container reaches its standard output.
#[test]
fn what_is_no_regular_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("/proc/self/fd/1", at("link")).unwrap();
    std::os::unix::fs::symlink("link", at("link-to-it")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    let file = std::fs::File::open(at("file")).unwrap();
    let descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    std::os::unix::fs::symlink(&descriptor, at("link-to-file")).unwrap();
    let devices = ["/dev/null", "/dev/full", "/dev/stdout", "/dev/stderr", "/dev/fd/1", &descriptor];
    let made = ["pipe", "link", "link-to-it", "link-to-file"].map(at);
    for path in devices.map(std::path::PathBuf::from).into_iter().chain(made) {
        let error = Audit::open(&to_file(&path, 1 << 40, 0), counter()).unwrap_err().to_string();
        let want = format!("audit.output: {} is no regular file, ", path.display());
        assert!(error.starts_with(&want) && error.contains("Write output = \"stdout\""), "{error}");
        assert!(std::fs::symlink_metadata(&path).is_ok(), "{}", path.display());
    }
    std::os::unix::fs::symlink("file", at("to-a-file")).unwrap();
    assert!(Audit::open(&to_file(&at("to-a-file"), 1 << 40, 0), counter()).is_ok());
}

#[test]
fn what_cannot_be_written_is_said_with_its_file_and_a_remedy() {
    let error = |kind: io::ErrorKind| remedy("/var/log/a.jsonl", &kind.into()).unwrap_or_default();
    assert!(error(io::ErrorKind::StorageFull).starts_with("Make room on the file system of /var/log: "));
    assert!(error(io::ErrorKind::PermissionDenied).contains("write to the directory /var/log"));
    assert_eq!(
        remedy("a.jsonl", &io::ErrorKind::NotFound.into()).unwrap().split(',').next(),
        Some("Create the directory .")
    );
    let there = remedy("/proc/a.jsonl", &io::ErrorKind::NotFound.into()).unwrap();
    assert_eq!(there, "No file can be made in /proc: name one in another directory.");
    let lines = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let disk = Disk::default();
        disk.0.lock().unwrap().0 = true;
        let (sender, receiver) = sync_channel(2);
        sender.send(Message::Record(Box::new(record(1)))).unwrap();
        drop(sender);
        let health = Health::of("/var/log/a.jsonl".into());
        writer::Writer::new(Box::new(disk), counter(), health).run(&receiver);
    });
    let text = lines.text();
    assert!(text.contains("file=\"/var/log/a.jsonl\"") && text.contains("Make room on"), "{text}");
}

#[test]
fn without_room_a_record_is_lost_and_nobody_waits() {
    let lost = counter();
    let (sender, receiver) = sync_channel(2);
    let audit = Audit { sender, lost: lost.clone(), health: Health::of(String::new()) };
    for number in 0..5 {
        audit.write(record(number));
    }
    assert_eq!(lost.get(), 3);
    drop(receiver);
    audit.write(record(6));
    assert_eq!(lost.get(), 4);
}

#[test]
fn the_members_are_those_of_the_schema() {
    let value = serde_json::to_value(record(1)).unwrap();
    let page = include_str!("../../../docs/audit.md");
    for (name, value) in value.as_object().unwrap() {
        assert!(page.contains(&format!("| `{name}` |")), "docs/audit.md does not know {name}");
        for (inner, _) in value.as_object().into_iter().flatten() {
            assert!(
                page.contains(&format!("`{name}.{inner}`")),
                "docs/audit.md does not know {name}.{inner}"
            );
        }
    }
}

#[test]
fn what_came_of_it() {
    let rule = RuleSource {
        effect: Effect::Deny,
        rule: Arc::new(RuleText {
            text: "users:write".into(),
            conditions: None,
            cache: None,
            origin: config::Origin::from("c.toml:3"),
        }),
        policy: PolicyName::parse("p").unwrap(),
    };
    let outcome = |change: &dyn Fn(&mut Record, &mut Details)| {
        let (sender, receiver) = sync_channel(8);
        let audit = Arc::new(Audit { sender, lost: counter(), health: Health::of(String::new()) });
        let operation = Arc::new(OperationMetrics::new(Arc::new(Metrics::new()), "", "", ""));
        let id = RequestId::of(&http::HeaderMap::new(), |_| false, || 1);
        let log_requests = config::LogRequests::Off;
        let recorder = Arc::new(Recorder::new(Events::new(vec![audit]), log_requests, |_| false));
        let mut record = Record::begin(id, http::Method::GET, operation, recorder, Instant::now());
        let mut details = Details::at(SystemTime::UNIX_EPOCH);
        details.rule = Some(Arc::new(rule.clone()));
        record.complete = true;
        change(&mut record, &mut details);
        record.details = Some(Box::new(details));
        drop(record);
        let Message::Record(record) = receiver.try_recv().ok()? else { panic!("no record") };
        let AuditRecord::Request(record) = *record else { panic!("no request") };
        assert_eq!(record.rule.as_ref().unwrap().origin, "c.toml:3");
        assert_eq!(record.rule.as_ref().unwrap().effect, "deny");
        Some(record.outcome)
    };
    assert_eq!(outcome(&|_, _| {}), Some(Outcome::Answered));
    assert_eq!(outcome(&|record, _| record.complete = false), Some(Outcome::Aborted));
    assert_eq!(outcome(&|record, _| record.code = Some("x")), Some(Outcome::Failed));
    assert_eq!(outcome(&|_, details| details.issued = Some(Issued::Upstream)), Some(Outcome::Issued));
    assert_eq!(
        outcome(&|record, _| {
            (record.code, record.side) = (Some("claviger.not_permitted"), Some(Side::Caller));
        }),
        Some(Outcome::Denied)
    );
    assert_eq!(outcome(&|record, _| record.quiet = true), None, "one of a flood");
}
