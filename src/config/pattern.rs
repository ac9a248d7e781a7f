//! What the JSON Schema says of the form of texts, so that an editor marks what the program would refuse. Each is a regular
//! expression of what the checks of the same key accept, or of a little more.

use schemars::Schema;
use serde_json::Value;

pub(super) const NAME: &str = "^[a-z0-9][a-z0-9._-]{0,62}$";
pub(super) const ADDRESS: &str =
    r"^(unix:.{1,107}|[0-9.]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+(%[0-9]+)?\]:[0-9]{1,5})$";
pub(super) const ADDRESS_OR_OFF: &str =
    r"^(off|false|unix:.{1,107}|[0-9.]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+(%[0-9]+)?\]:[0-9]{1,5})$";
pub(super) const DURATION: &str = "^ *(0|([0-9]+ *[dhmMnsuwy\u{b5}][a-z]* *)+)$";
pub(super) const MODE: &str = "^ *(0o)*[0-7]{1,3}$|^ *(0o)*0[0-7]{1,3}$";
pub(super) const ENDPOINT: &str = "^https?://[^/@?#\\s]+/?$";
pub(super) const BASE_URL: &str = "^https?://[^/?#\\s]";
pub(super) const ORIGIN: &str = "^https?://[^/?#\\s]+$";
pub(super) const HOST: &str = r"^(\[[0-9A-Fa-f:.]+\]|[^:/\s*,]+)$";
pub(super) const URI: &str = "^[A-Za-z][A-Za-z0-9+.-]*:.*[^/]$";
pub(super) const VISIBLE: &str = "\\S";
pub(super) const WORD: &str = "^\\S+$";

/// Adds `pattern` to every text in a schema.
pub(super) fn texts(pattern: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let mut value = schema.clone().to_value();
        add(&mut value, pattern);
        if let Ok(changed) = Schema::try_from(value) {
            *schema = changed;
        }
    }
}

fn add(value: &mut Value, pattern: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add(item, pattern)),
        Value::Object(object) => {
            object.values_mut().for_each(|value| add(value, pattern));
            let is_text = |kind: &Value| {
                kind == "string" || kind.as_array().is_some_and(|of| of.contains(&"string".into()))
            };
            if object.get("type").is_some_and(is_text) {
                object.insert("pattern".into(), pattern.into());
            }
        }
        _ => {}
    }
}
