//! How values look on the admin page `/config`: as in a configuration file. Secrets show that they are set, and no more.

use std::{fmt, path::Path, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

/// What is shown as it prints.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A fraction as it was written: an `f32` as JSON would show digits that nobody wrote.
pub(super) struct Fraction<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Fraction<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.to_string().parse().unwrap_or_default())
    }
}

/// What has a name, as members of a table.
pub(super) trait Named {
    fn name(&self) -> &str;
}

impl<T: Named> Named for std::sync::Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }
}

pub(super) fn by_name<T: Named + Serialize, S: Serializer>(
    items: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(items.iter().map(|item| (item.name(), item)))
}

pub(super) fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// `{ "file": … }`
pub(super) fn file<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("file", Text(path.display()))])
}

pub(super) fn or_off<T: Serialize, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str("off"),
    }
}

pub(super) fn mode<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

/// Names with values that nobody knows the meaning of, and that may be secret.
pub(super) fn names_alone<S: Serializer>(
    members: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(members.len()))?;
    for (name, _) in members {
        map.serialize_entry(name, "(set)")?;
    }
    map.end()
}

/// Pairs in their order.
pub(super) fn pairs<V: Serialize, S: Serializer>(
    members: &[(String, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
}
