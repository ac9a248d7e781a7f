//! How keys are declared. `tables!` says which keys a file may have; `sections!` says of a section of plain keys all
//! there is to say: type, default, bounds, description. It makes
//!
//! - what a file may hold (`Option` of each key), with its JSON Schema, in which the doc comments are the descriptions;
//! - the typed section with its `Default` and `Serialize`, as `/config` shows it;
//! - `checked`, which turns the one into the other and notes what is wrong;
//! - `RESTART`, the keys that a running process cannot take up.

/// A key that takes effect only after a restart, and whether it differs.
pub(super) type AfterRestart<T> = (&'static str, fn(&T, &T) -> bool);

/// Adds the least and the greatest number that are allowed.
pub(super) fn bound(schema: &mut schemars::Schema, allowed: std::ops::RangeInclusive<impl serde::Serialize>) {
    let (least, greatest) = allowed.into_inner();
    for (keyword, number) in [("minimum", serde_json::json!(least)), ("maximum", serde_json::json!(greatest))]
    {
        schema.insert(keyword.into(), number);
    }
}

/// Tables of keys, each of which may be left out.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(schemars::JsonSchema, Default)]
        #[schemars(deny_unknown_fields)]
        $(#[$doc])*
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: Option<$type>,)*
        }

        impl $name {
            /// Those that the table has.
            pub(super) const KEYS: &[&str] = &[$(stringify!($field)),*];
        }

        impl $crate::config::node::FromNode for $name {
            fn from_node(
                node: &$crate::config::tree::Node,
                at: &$crate::config::path::Trail<'_>,
                misfits: &mut $crate::config::node::Misfits,
            ) -> Option<Self> {
                let mut table = Self::default();
                for (key, node) in misfits.table(node, at, Self::KEYS)?.iter() {
                    let at = $crate::config::path::Trail::Key(at, key);
                    match key {
                        $(stringify!($field) => {
                            table.$field = $crate::config::node::FromNode::from_node(node, &at, misfits);
                        })*
                        _ => misfits.unknown(&at, key, Self::KEYS),
                    }
                }
                Some(table)
            }
        }
    )*};
}

/// Sections of plain keys: `name: Type, from RawType { key: type = default, kind(bounds); }`, where the kind is one of
/// `duration`, `size`, `count` and `fraction` with the values that are allowed, `value` for what has none, or `secret`;
/// `, restart` behind it for what takes effect only after a restart.
macro_rules! sections {
    ($(
        $(#[$doc:meta])*
        $section:ident: $typed:ident, from $raw:ident {
            $($(#[$field_doc:meta])*
            $field:ident: $type:ty = $default:expr, $kind:ident $(($allowed:expr))? $(, $restart:ident)?;)*
        }
    )*) => {$(
        tables! {
            $(#[$doc])*
            $raw { $($(#[$field_doc])* #[schemars(transform = bounded!($kind $(, $allowed)?))] $field: written!($kind, $type),)* }
        }

        #[derive(Debug, Clone, PartialEq)]
        $(#[$doc])*
        pub struct $typed {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $typed {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $typed {
            /// What takes effect only after a restart: the key, and whether it differs.
            pub(super) const RESTART: &[$crate::config::section::AfterRestart<Self>] = &[$($(
                (concat!(stringify!($section), ".", stringify!($field), restart!($restart)), |one, other| {
                    one.$field != other.$field
                }),
            )?)*];

            /// The section as it is in effect: a key that is left out, or wrong, has its default.
            pub(super) fn checked(raw: $raw, checker: &mut $crate::config::check::checker::Checker<'_>) -> Self {
                let at = $crate::config::path::KeyPath::of(&[stringify!($section)]);
                let default = Self::default();
                Self {
                    $($field: checker
                        .$kind(&at, stringify!($field), raw.$field $(, $allowed)?)
                        .unwrap_or(default.$field),)*
                }
            }
        }

        impl serde::Serialize for $typed {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut members = serializer.serialize_map(None)?;
                $(members.serialize_entry(stringify!($field), &shown!($kind, &self.$field))?;)*
                members.end()
            }
        }
    )*};
}

/// The type of a key in a file.
macro_rules! written {
    (duration, $type:ty) => { $crate::config::leaf::Leaf<std::time::Duration> };
    (size, $type:ty) => { $crate::config::leaf::Leaf<$crate::config::leaf::Size> };
    (count, $type:ty) => { $crate::config::leaf::Leaf<u64> };
    (fraction, $type:ty) => { $crate::config::leaf::Leaf<f64> };
    (value, $type:ty) => { $crate::config::leaf::Leaf<$type> };
    (secret, $type:ty) => { $crate::config::leaf::SecretId };
}

/// What the JSON Schema says of the numbers that are allowed; of durations and sizes, which are text, it cannot.
macro_rules! bounded {
    (count, $allowed:expr) => {
        |schema: &mut schemars::Schema| $crate::config::section::bound(schema, $allowed)
    };
    (fraction, $allowed:expr) => {
        |schema: &mut schemars::Schema| $crate::config::section::bound(schema, $allowed)
    };
    ($kind:ident $(, $allowed:expr)?) => {
        |_: &mut schemars::Schema| {}
    };
}

/// A value as `/config` shows it.
macro_rules! shown {
    (duration, $value:expr) => {
        $crate::config::show::Text(humantime::format_duration(*$value))
    };
    (fraction, $value:expr) => {
        $crate::config::show::Fraction(*$value)
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

/// The one word that may stand behind a key.
macro_rules! restart {
    (restart) => {
        ""
    };
}
