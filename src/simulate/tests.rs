use super::*;

fn play(text: &str) -> Outcome {
    run(Scenario::parse(text).unwrap(), 7).unwrap()
}

const CLOUD: &str = r#"
duration = "10m"
sign_in = 3
[load.export]
priority = "batch"
connections = 400
[load.a]
priority = "interactive"
rate = 1.7
[load.b]
priority = "interactive"
rate = 1.7
[load.c]
priority = "interactive"
rate = 1.6
"#;

#[test]
fn b55_batch_stops_neither_interactive_callers_nor_sign_in_and_the_share_is_used() {
    let outcome = play(CLOUD);
    let names: Vec<_> = outcome.scenario.loads.iter().map(|load| load.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "export"]);
    for load in [0, 1, 2, SIGN_IN] {
        let refused = outcome.count(load, Fate::Refused) + outcome.count(load, Fate::RefusedUpstream);
        assert_eq!(refused, 0, "of {load}");
        let waited = percentile(&outcome.waits(load), 99);
        assert!(waited <= Duration::from_millis(100), "{load}: {waited:?}");
    }
    assert!(outcome.utilisation() >= 0.97 && outcome.utilisation() <= 1.01, "{}", outcome.utilisation());
    assert_eq!(outcome.refused_upstream, 0);
}

#[test]
fn b55_with_nothing_in_between_the_same_load_stops_sign_in() {
    let outcome = play(&format!("direct = true\n{CLOUD}"));
    let (refused, fine) = (outcome.count(SIGN_IN, Fate::RefusedUpstream), outcome.count(SIGN_IN, Fate::Sent));
    assert!(refused > fine, "{refused} refused, {fine} fine");
}

#[test]
fn b55_a_tenant_that_gives_less_than_is_configured_is_believed() {
    // Others use up most of it.
    let outcome =
        play("duration = \"10m\"\nsign_in = 12\n[load.export]\npriority = \"batch\"\nconnections = 50");
    assert!(outcome.pace < 0.9, "{}", outcome.pace);
    let sent = outcome.sent();
    assert!(outcome.refused_upstream * 20 <= sent, "{} of {sent}", outcome.refused_upstream);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let [one, other] = [play(CLOUD), play(CLOUD)];
    assert_eq!(one.seen.len(), other.seen.len());
    assert!(
        one.seen.iter().zip(&other.seen).all(|(one, other)| one.at == other.at && one.load == other.load)
    );
}

#[test]
fn what_is_wrong_with_a_scenario_is_said_with_its_line_and_what_to_write() {
    for (text, line, want) in [
        ("", None, "there is no load. Write [load.NAME], and below it rate"),
        ("\nload = 3", Some(2), "load: write [load.NAME]"),
        ("[load]\n", Some(1), "load: there is none"),
        ("[load.a]\nrate = 1\n[load.b]\n", Some(3), "load.b: write rate, in requests per second"),
        ("load.a.rate = 0", Some(1), "load.a: write rate"),
        (
            "[load.a]\nrate = \"1\"",
            Some(2),
            "load.a.rate: write requests per second: a number from 0 to 100000, without quotation marks",
        ),
        ("[load.a]\nrate = \"5/s\"", Some(2), "load.a.rate: write requests per second"),
        (
            "[load.a]\nconnections = 1.5",
            Some(2),
            "load.a.connections: write how many connections ask: a whole number",
        ),
        (
            "[load.a]\nrate = 1\nconnections = 1",
            Some(3),
            "load.a.connections: there is a rate as well: take one",
        ),
        (
            "load.a = { rate = 1, from = \"40s\", until = \"10s\" }",
            Some(1),
            "load.a: it ends before it begins",
        ),
        (
            "load.a.rate = 1\nquota.share = 2",
            Some(2),
            "quota.share: write the part of it that is spent here: a number from 0.01 to 1",
        ),
        (
            "load.a.rate = 1\nquota = \"200/10s\"",
            Some(2),
            "quota: write quota = { requests = 200, per = \"10s\", share = 0.7 }",
        ),
        (
            "load.a.rate = 1\n[quota]\nrequests = 0",
            Some(3),
            "quota.requests: write how many the tenant allows",
        ),
        (
            "load.a = { rate = 1, priority = \"high\" }",
            Some(1),
            "load.a.priority: write \"interactive\", \"normal\" or \"batch\"",
        ),
        (
            "load.a.rate = 1\nduration = \"10\"",
            Some(2),
            "duration: write a duration in quotation marks with its unit, such as \"10s\"",
        ),
        ("load.a.rate = 1\nduration = 10", Some(2), "duration: write a duration in quotation marks"),
        (
            "load.a.rate = 1\nduration = \"30d\"",
            Some(2),
            "duration: write one above \"0s\", of at most \"24h\"",
        ),
        (
            "load.a.rate = 1\nduration = \"0s\"",
            Some(2),
            "duration: write one above \"0s\", of at most \"24h\"",
        ),
        ("load.a.rate = 1\ndirect = \"yes\"", Some(2), "direct: write true or false"),
        (
            "load.a.rate = 1\ncolour = 3",
            Some(2),
            "colour: there is no such member. There are: duration, quota",
        ),
        (
            "load.a.rate = 1\npatiense = \"1s\"",
            Some(2),
            "patiense: there is no such member. Did you mean patience?",
        ),
        (
            "[load.a]\nrate = 1\nfron = \"1s\"",
            Some(3),
            "load.a.fron: there is no such member. Did you mean from?",
        ),
        ("load.a.rate = 90000\nduration = \"1h\"", None, "5 million"),
        ("\n\nload", Some(3), "this is not TOML: "),
    ] {
        let error = Scenario::parse(text).unwrap_err();
        assert!(
            error.line == line && error.what.starts_with(want) || error.what.contains("5 million"),
            "{text}: {error:?}"
        );
    }
}
