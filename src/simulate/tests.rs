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
fn what_is_wrong_with_a_scenario_is_said() {
    for (text, want) in [
        ("", "missing field `load`"),
        ("load.a.rate = 0", "load.a: write rate"),
        ("[load.a]\nrate = 1\nconnections = 1", "has both rate and connections"),
        ("load.a = { rate = 1, from = \"40s\", until = \"10s\" }", "load.a: until"),
        ("load.a.rate = 1\nquota.share = 2", "quota: write"),
        ("load.a = { rate = 1, priority = \"high\" }", "load.a.priority: write"),
        ("load.a.rate = 1\nduration = \"10\"", "is no duration"),
        ("load.a.rate = 1\ncolour = 3", "unknown field `colour`"),
        ("load.a.rate = 90000\nduration = \"1h\"", "5 million"),
        ("load", "expected"),
    ] {
        let error = Scenario::parse(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}
