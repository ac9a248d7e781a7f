//! The one list that says which room may know which.

use crate::graph::Arrows;

/// From the top. A room may import rooms of lower layers; rooms of one layer do not know each other.
pub(crate) const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["admin"],
    // Two ask the pipeline from outside of requests; the third has a quota and no pipeline.
    &["explain", "rotation", "simulate"],
    // The only room that knows all stages.
    &["proxy"],
    // What repeats are told needs answers that came through the filter.
    &["idempotency", "listen", "reply"],
    &["upstream"],
    // Masks secrets and looks for our own credentials in answers; what callers read of what they may do.
    &["filter", "openapi"],
    &["limit", "observe", "token"],
    &["policy"],
    &["authn"],
    &["tenants", "vault"],
    &["redis"],
    &["trust"],
    &["config"],
    &["sealer"],
    &["secret", "usage"],
    // Leaves. The emulator is Logto for `demo`, `emulate` and the tests: it knows nothing of what it tests.
    &[
        "activity",
        "catalog",
        "claviger_emulator",
        "clock",
        "headers",
        "idle_timeout",
        "ids",
        "regular_file",
        "x509",
    ],
];

/// The layers as text, such as `main → cli → { listen, reply }`.
pub(crate) fn in_words() -> String {
    let layers: Vec<String> = LAYERS
        .iter()
        .map(|layer| match layer {
            [room] => (*room).to_owned(),
            rooms => format!("{{ {} }}", rooms.join(", ")),
        })
        .collect();
    layers.join(" → ")
}

/// The arrows that do not lead downwards.
pub(crate) fn complaints(arrows: &Arrows) -> Vec<String> {
    let layer_of = |room: &str| LAYERS.iter().position(|layer| layer.contains(&room));
    arrows
        .iter()
        .filter_map(|(from, to, names)| {
            let (above, below) = (layer_of(from)?, layer_of(to)?);
            let why = match above.cmp(&below) {
                std::cmp::Ordering::Less => return None,
                std::cmp::Ordering::Equal => "is in the same layer",
                std::cmp::Ordering::Greater => "is in a layer above it",
            };
            Some(format!("`{from}` must not import `{to}`, which {why}: {names:?}"))
        })
        .collect()
}

#[test]
fn an_arrow_down_is_fine_and_any_other_is_not() {
    let mut arrows = Arrows::default();
    arrows.add("cli", "config", "Config");
    assert_eq!(complaints(&arrows), Vec::<String>::new());
    arrows.add("config", "proxy", "Proxy");
    arrows.add("reply", "listen", "Busy");
    assert_eq!(
        complaints(&arrows),
        [
            r#"`config` must not import `proxy`, which is in a layer above it: {"Proxy"}"#,
            r#"`reply` must not import `listen`, which is in the same layer: {"Busy"}"#,
        ]
    );
}
