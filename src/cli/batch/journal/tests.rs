use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap() };
        desk.write("\n{\"operation\":\"CreateUser\",\"body\":{}}\n".repeat(3).as_str());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("f"), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn input(&self) -> Input {
        Input::read(&self.path("f"), None).unwrap_or_else(|why| panic!("{why}"))
    }

    fn open(&self) -> Result<Journal, String> {
        Journal::open(&self.path("j"), &self.path("r"), &self.input(), None, false)
    }
}

fn done() -> Concluded {
    Concluded { outcome: Outcome::Done, status: Some(200), body: Value::Null, settled: None }
}

#[test]
fn what_certainly_did_not_go_out_is_sent_by_the_next_run() {
    let desk = Desk::new();
    let input = desk.input();
    let [first, second] = [0, 1].map(|index| input.line(index).unwrap());
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    journal.sends([(&first, 1), (&second, 1), (&second, 2)].into_iter()).unwrap();
    journal.unsent(&first, 1).unwrap();
    journal.unsent(&second, 2).unwrap();
    assert_eq!([2, 4].map(|line| journal.attempt(line)), [None, Some(1)]);
    drop(journal);
    let journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!([2, 4].map(|line| journal.attempt(line)), [None, Some(1)]);
}

#[test]
fn a_file_of_somebody_elses_stays_as_it_is() {
    for text in ["precious, and without an end of line", "{\"operation\":\"ListUsers\"}", "precious\nlines\n"]
    {
        let desk = Desk::new();
        std::fs::write(desk.path("j"), text).unwrap();
        let why = desk.open().err().unwrap();
        assert!(
            why.contains("the file is damaged, or is something else: if it is this batch's, put a copy"),
            "{why}"
        );
        assert!(why.ends_with("If it is another file, name another one by --journal"), "{why}");
        assert_eq!(desk.text("j"), text);
    }
    let desk = Desk::new();
    std::fs::write(desk.path("j"), "{\"claviger_ba").unwrap();
    desk.open().unwrap_or_else(|why| panic!("a journal that was cut off in its first line: {why}"));
}

#[test]
fn the_next_run_knows_what_was_sent_and_what_is_over() {
    let desk = Desk::new();
    let input = desk.input();
    let [first, second] = [0, 1].map(|index| input.line(index).unwrap());
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    journal.sends([(&first, 1), (&second, 1)].into_iter()).unwrap();
    journal.sends(std::iter::once((&second, 2))).unwrap();
    journal.concludes(&first, &done()).unwrap();
    let key = journal.key(2, 1);
    drop(journal);
    let journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(journal.key(2, 1), key, "the same key");
    assert!(journal.is_concluded(2) && !journal.is_concluded(4) && !journal.is_concluded(6));
    assert_eq!([2, 4, 6].map(|line| journal.attempt(line)), [Some(1), Some(2), None]);
    assert_eq!((journal.tally.done, journal.tally.all), (1, 3));
}

#[test]
fn a_line_that_was_cut_off_anywhere_is_none() {
    let desk = Desk::new();
    let line = desk.input().line(0).unwrap();
    for name in ["j", "r"] {
        let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
        match name {
            "j" => journal.sends(std::iter::once((&line, 1))).unwrap(),
            _ => journal.concludes(&line, &done()).unwrap(),
        }
        drop(journal);
        let whole = desk.text(name);
        let start = whole[..whole.len() - 1].rfind('\n').map_or(0, |at| at + 1);
        for end in start..whole.len() {
            std::fs::write(desk.path(name), &whole[..end]).unwrap();
            let journal = desk.open().unwrap_or_else(|why| panic!("{end}: {why}"));
            assert_eq!(journal.attempt(2).is_none(), name == "j");
            assert!(!journal.is_concluded(2));
            drop(journal);
            assert_eq!(desk.text(name), whole[..start], "what comes next is a line of its own");
        }
        std::fs::write(desk.path(name), whole).unwrap();
    }
    assert!(desk.open().unwrap_or_else(|why| panic!("{why}")).is_concluded(2));
}

#[test]
fn a_journal_is_for_one_run_at_a_time_of_one_file() {
    let desk = Desk::new();
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    assert!(
        desk.open()
            .err()
            .is_some_and(|why| why.ends_with("another run has it: wait until that has ended, or end it"))
    );
    journal.sends(std::iter::once((&desk.input().line(0).unwrap(), 1))).unwrap();
    drop(journal);
    let other = Journal::open(&desk.path("j"), &desk.path("r"), &desk.input(), Some("acme"), false);
    assert!(other.err().is_some_and(|why| why.contains("without --tenant")));
    desk.write("{\"operation\":\"ListUsers\"}\n");
    assert!(desk.open().err().is_some_and(|why| why.contains("the file has changed")));
    desk.write("\n{\"operation\":\"CreateUser\",\"body\":{}}\n".repeat(3).as_str());
    std::fs::write(desk.path("r"), "[]\n").unwrap();
    assert!(desk.open().err().is_some_and(|why| why.contains("damaged")));
    std::fs::remove_file(desk.path("j")).unwrap();
    assert!(desk.open().err().is_some_and(|why| why.contains("put a copy of it back")));
}

#[test]
fn a_journal_of_which_nothing_was_sent_is_begun_anew_for_another_tenant() {
    let desk = Desk::new();
    let line = desk.input().line(0).unwrap();
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    journal.sends(std::iter::once((&line, 1))).unwrap();
    journal.unsent(&line, 1).unwrap();
    assert!(journal.is_untouched());
    drop(journal);
    let other = |tenant| Journal::open(&desk.path("j"), &desk.path("r"), &desk.input(), tenant, false);
    let mut journal = other(Some("acme")).unwrap_or_else(|why| panic!("{why}"));
    journal.sends(std::iter::once((&line, 1))).unwrap();
    drop(journal);
    assert!(other(None).err().is_some_and(|why| why.contains("with --tenant acme")));
    other(Some("acme")).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn unknown_outcomes_are_open_again_where_that_is_asked_for() {
    let desk = Desk::new();
    let [first, second] = [0, 1].map(|index| desk.input().line(index).unwrap());
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    journal.sends([(&first, 1), (&second, 1)].into_iter()).unwrap();
    journal.concludes(&first, &Concluded { outcome: Outcome::Unknown, ..done() }).unwrap();
    journal.concludes(&second, &done()).unwrap();
    drop(journal);
    for (repeats, unknown) in [(false, 1), (true, 0), (false, 0)] {
        let opened = Journal::open(&desk.path("j"), &desk.path("r"), &desk.input(), None, repeats);
        let journal = opened.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((journal.tally.done, journal.tally.unknown), (1, unknown));
        assert_eq!((journal.is_concluded(2), journal.attempt(2)), (unknown == 1, Some(1)));
    }
}

#[test]
fn results_of_another_batch_are_believed_by_none_and_stay_as_they_are() {
    let desk = Desk::new();
    drop(desk.open().unwrap_or_else(|why| panic!("{why}")));
    let result = "{\"line\":2,\"outcome\":\"done\"}\n";
    // Of a line that was never sent, of one that is not there, and one line that is not whole.
    for other in
        [result, "{\"line\":99,\"outcome\":\"done\"}\n", "{\"line\":2,\"outcome\":\"done\"}", "{\"mine\":1}"]
    {
        std::fs::write(desk.path("r"), other).unwrap();
        let refused = desk.open().err().expect(other);
        assert!(
            refused.contains(
                "r:1: the file is damaged, or is something else: move it away, and give the same command"
            ),
            "{refused}"
        );
        assert_eq!(desk.text("r"), other);
    }
    std::fs::write(desk.path("r"), "").unwrap();
    let input = desk.input();
    let mut journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    journal.sends([(&input.line(0).unwrap(), 1)].into_iter()).unwrap();
    drop(journal);
    std::fs::write(desk.path("r"), format!("{result}{{\"li")).unwrap();
    let journal = desk.open().unwrap_or_else(|why| panic!("{why}"));
    assert!(journal.is_concluded(2) && journal.tally.done == 1);
    assert_eq!(desk.text("r"), result, "what was cut off is none");
}
