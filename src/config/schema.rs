//! The JSON Schema of a configuration file, for editors and for `claviger schema`. Generated from `raw`, so
//! that it names the keys that are read and no others.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::Raw;

/// The schema as it is shipped: `make docs` writes the file, and a test holds it against [`schema`]. So the program has no
/// need of a generator, which is a quarter of a MiB.
pub const SCHEMA: &str = include_str!("../../config/schema.json");

/// The schema (draft 2020-12). What it accepts is loaded; the loader is a little more generous, for instance
/// with numbers in quotes.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Raw>().to_value();
    without_null(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".into(), "Claviger".into());
    }
    schema
}

/// Every key may be left out, which the generator writes as "or null". TOML has no null.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            let Some(Value::Array(forms)) = map.get_mut("anyOf") else { return };
            forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
            let [Value::Object(only)] = &forms[..] else { return };
            let only = only.clone();
            map.remove("anyOf");
            // What is said at the key goes before what is said at the type.
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
        _ => {}
    }
}
