use serde_json::{Value, json};

use super::{super::watch::frame, *};

fn document(change: impl FnOnce(&mut Value)) -> Document {
    let mut value = json!({
        "time": "2026-11-28T12:00:00Z", "version": "1.2.3", "state": "ready", "ready": true,
        "started": "2026-11-28T11:00:00Z", "uptime_seconds": 3600, "connections": 1, "errors": 0, "warnings": 0,
        "problems": [],
        "configuration": { "digest": "00ff00ff00ff00ff", "in_force_since": "2026-11-28T11:58:00Z", "callers": 1 },
        "tenants_total": 1, "tenants_matching": 1,
        "tenants": { "acme": {
            "state": "ok", "token": { "usable": true, "usable_for_seconds": 3000 },
            "upstream": { "tries": 1204, "failed": 0, "failed_share": 0.0 },
            "in_flight": 1, "max_in_flight": 16, "quota": { "requests": 200, "burst": 200, "remaining": 143 },
        } },
        "traffic": {
            "callers": [{
                "caller": "billing", "last_request": "2026-11-28T11:59:57Z", "requests": 1000, "denied": 0, "failed": 0,
                "requests_by_slot": [0, 1, 4, 8],
            }],
            "unauthenticated": { "last_request": null, "requests": 0, "denied": 0, "failed": 0, "requests_by_slot": [] },
        },
        "expiring": [{ "kind": "certificate", "what": "the listener's certificate, CN=x", "at": "2026-12-01T12:00:00Z" }],
    });
    change(&mut value);
    Document::parse("127.0.0.1:3601".into(), &value.to_string()).unwrap()
}

#[test]
fn columns_are_aligned_and_nothing_is_cut() {
    let shown = text(&document(|_| {}), &Paint::plain(None));
    let expected = "\
Claviger 1.2.3  127.0.0.1:3601  ready
up 1 h 0 min, 1 connection; configuration 00ff00ff00ff00ff in force for 2 min 0 s

Nothing is wrong.

TENANT   STATE   TOKEN ENDS IN   UPSTREAM, 5 MIN            IN FLIGHT   BURST LEFT
acme     ok      50 min 0 s      1,204 tries, none failed      1 / 16    143 / 200

CALLER    LAST REQUEST   5 MIN   REQUESTS   DENIED   LIMITED   FAILED
billing   3 s ago         ▁▄█       1,000        0         0        0

EXPIRES IN   WHAT
3 d 0 h      the listener's certificate, CN=x
";
    assert_eq!(shown, expected);
}

#[test]
fn whoever_waits_for_a_quota_is_shown_beside_what_is_left() {
    let waits = |status: &mut Value| {
        status["tenants"]["acme"]["quota"] = json!({
            "requests": 200, "share": 0.7, "burst": 30, "remaining": 0,
            "waiting": { "interactive": 0, "normal": 2, "batch": 1210 },
        });
    };
    let shown = text(&document(waits), &Paint::plain(None));
    assert!(shown.contains("0 / 30; 2 normal, 1,210 batch wait\n"), "{shown}");
    assert!(!shown.contains("reserved"), "nothing is left: {shown}");
    let batch_alone = |status: &mut Value| {
        waits(status);
        status["tenants"]["acme"]["quota"]["remaining"] = 25.into();
        status["tenants"]["acme"]["quota"]["waiting"]["normal"] = 0.into();
    };
    let shown = text(&document(batch_alone), &Paint::plain(None));
    let lines = "25 / 30; 1,210 batch wait\nbatch requests wait for the pace of the quota's share: the burst that is left is reserved for more urgent ones\n";
    assert!(shown.contains(lines), "{shown}");
}

#[test]
fn a_tenant_that_is_overloaded_or_left_alone_is_shown_as_such() {
    let shown = |change: fn(&mut Value)| text(&document(change), &Paint::plain(None));
    let overloaded = shown(|status| {
        let acme = &mut status["tenants"]["acme"];
        acme["in_flight_limit"] = 7.into();
        acme["waiting"] = json!({ "interactive": 1, "normal": 20, "batch": 1210 });
    });
    assert!(overloaded.contains("1 / 7 of 16, 1,231 wait"), "{overloaded}");
    let open = shown(|status| {
        status["tenants"]["acme"]["upstream"]["circuit"] =
            json!({ "state": "open", "next_try_in_seconds": 4 });
    });
    assert!(open.contains("stopped, tried again in 4 s"), "{open}");
}

#[test]
fn a_long_name_is_shortened_where_the_terminal_is_narrow() {
    let name = "nightly-import-of-all-customers-into-the-warehouse";
    let long = document(|status| status["traffic"]["callers"][0]["caller"] = name.into());
    let shown = text(&long, &Paint::plain(Some(80)));
    let line = shown.lines().find(|line| line.starts_with("nightly-import")).expect("it is there");
    assert!(line.ends_with("1,000        0         0        0") && line.chars().count() == 79, "{line:?}");
    assert!(line.contains("…   3 s ago") && !line.contains(name), "{line:?}");
    assert!(text(&long, &Paint::plain(None)).contains(name), "a program reads it whole");
}

#[test]
fn problems_are_wrapped_where_the_terminal_ends() {
    let with = |status: &mut Value| {
        status["errors"] = 1.into();
        status["problems"] = json!([{
            "severity": "error", "about": "tenants.acme", "at": "2026-11-28T11:59:30Z",
            "what": "there is no access token: the issuer refused with invalid_client",
            "remedy": "The client secret is wrong or was deleted: copy a current one.",
        }]);
    };
    let shown = text(&document(with), &Paint::plain(Some(50)));
    let expected = "
error    tenants.acme  30 s ago
         There is no access token: the issuer
         refused with invalid_client
         The client secret is wrong or was
         deleted: copy a current one.
";
    assert!(shown.contains(expected), "{shown}");
    assert_eq!(document(with).exit(), std::process::ExitCode::from(1));
    let coloured = text(&document(with), &Paint::coloured());
    assert!(coloured.contains("\x1b[1;31merror\x1b[0m    tenants.acme"), "{coloured:?}");
}

#[test]
fn a_terminal_obeys_nothing_that_is_shown() {
    let shown = text(
        &document(|status| {
            status["problems"] = json!([{
                "severity": "error", "about": "tenants.acme", "at": null,
                "what": "the issuer refused with \u{1b}]0;owned\u{7}\u{9b}31m\r\nerror", "remedy": "",
            }]);
        }),
        &Paint::plain(Some(80)),
    );
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(!shown.contains("\nerror\n"), "no line of its own: {shown:?}");
}

#[test]
fn of_many_some_are_shown_and_it_says_so() {
    let shown = text(
        &document(|status| {
            status["tenants_matching"] = 10_000.into();
            status["configuration"]["callers"] = 2.into();
        }),
        &Paint::plain(None),
    );
    assert!(
        shown.contains("1 of 10,000 tenants, those with problems first; --tenant and --limit"),
        "{shown}"
    );
    assert!(shown.contains("1 of 2 callers"), "{shown}");
}

#[test]
fn a_frame_is_as_high_as_the_screen_and_no_higher() {
    let lines = |number: usize| (0..number).map(|line| format!("line {line}")).collect::<Vec<_>>();
    let paint = Paint { height: Some(10), ..Paint::plain(Some(80)) };
    let all = frame(lines(9), &paint);
    assert!(all.contains("line 8") && all.matches("\r\n").count() == 9);
    let cut = frame(lines(30), &paint);
    assert!(cut.contains("line 7") && !cut.contains("line 8") && cut.contains("22 more lines"), "{cut:?}");
    assert_eq!(cut.matches("\r\n").count(), 9);
}

#[test]
fn lengths_and_numbers_as_people_read_them() {
    for (seconds, shown) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")]
    {
        assert_eq!(length(seconds), shown);
    }
    for (value, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(number(value), shown);
    }
}

#[test]
fn a_problem_that_says_what_to_write_has_no_line_for_a_remedy() {
    let problem = |remedy: &str| {
        let problem =
            json!({ "severity": "error", "about": "tenants.acme", "what": "gone", "remedy": remedy });
        text(&document(|status| status["problems"] = json!([problem])), &Paint::plain(None))
    };
    assert!(problem("").contains("tenants.acme\n         Gone\n\nTENANT"), "{}", problem(""));
    assert!(
        problem("Mend it.").contains("         Gone\n         Mend it.\n\nTENANT"),
        "{}",
        problem("Mend it.")
    );
}
