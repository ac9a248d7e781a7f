//! Whatever the answer: against a parser, however it is spelled and cut.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 12] = [
    "secret",
    "config",
    "headers",
    "auth",
    "pass",
    "value",
    "name",
    "",
    "é",
    "Secret",
    "secrets",
    "customData",
];

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z\"\\\\/\n\té😀\u{7f}\u{0}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Writes a value with white space and escapes by chance, so that one value has many spellings.
fn spell(value: &Value, chance: &mut fastrand::Rng, out: &mut String) {
    let space = |chance: &mut fastrand::Rng, out: &mut String| {
        out.push_str(["", "", "", " ", "\n\t", "  \r"][chance.usize(..6)]);
    };
    space(chance, out);
    match value {
        Value::String(text) => spell_text(text, chance, out),
        Value::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                spell(element, chance, out);
            }
            space(chance, out);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (n, (name, value)) in members.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                space(chance, out);
                spell_text(name, chance, out);
                space(chance, out);
                out.push(':');
                spell(value, chance, out);
            }
            space(chance, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    space(chance, out);
}

fn spell_text(text: &str, chance: &mut fastrand::Rng, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if chance.u8(..4) == 0 {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            let quoted = serde_json::to_string(&character).unwrap();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    out.push('"');
}

fn plan(number: usize) -> &'static Secrets {
    match number % 5 {
        0 => &DEEP,
        1 => secrets_of("ListHooks"),
        2 => secrets_of("ListConnectors"),
        3 => secrets_of("ListApplicationSecrets"),
        _ => Secrets::of_unknown(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masking_is_what_a_parser_would_do(value in values(), seed: u64, which: usize, cuts in prop::collection::vec(0..400_usize, 0..12)) {
        let secrets = plan(which);
        let mut text = String::new();
        spell(&value, &mut fastrand::Rng::with_seed(seed), &mut text);
        let whole = mask(secrets, text.as_bytes(), &[]).unwrap();

        let mut want: Value = serde_json::from_str(&text).unwrap();
        reference(secrets, secrets.root(), &mut want);
        let got: Value = serde_json::from_slice(&whole).unwrap();
        prop_assert_eq!(&got, &want);

        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(&mask(secrets, text.as_bytes(), &cuts).unwrap(), &whole, "chunks make no difference");
        prop_assert_eq!(&mask(secrets, &whole, &cuts).unwrap(), &whole, "twice is once");
    }

    #[test]
    fn what_passes_is_json_and_all_json_passes(value in values(), seed: u64, which: usize, edits in prop::collection::vec((0..400_usize, any::<u8>(), 0..3_u8), 0..3)) {
        let mut text = String::new();
        spell(&value, &mut fastrand::Rng::with_seed(seed), &mut text);
        let mut bytes = text.into_bytes();
        for (at, byte, edit) in edits {
            let at = at % bytes.len().max(1);
            // Mostly what has a meaning in JSON.
            let byte = if byte < 200 { b"{}[]:,\"\\ue0.-+1tn\n "[usize::from(byte) % 19] } else { byte };
            match edit {
                0 => bytes.insert(at.min(bytes.len()), byte),
                1 if !bytes.is_empty() => { bytes.remove(at); }
                _ if !bytes.is_empty() => bytes[at] = byte,
                _ => {}
            }
        }
        let is_json = std::str::from_utf8(&bytes).is_ok_and(|text| {
            text.bytes().all(|b| b" \t\r\n".contains(&b)) || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        });
        let masked = mask(plan(which), &bytes, &[]);
        prop_assert_eq!(masked.is_ok(), is_json, "{}", String::from_utf8_lossy(&bytes));
    }
}
