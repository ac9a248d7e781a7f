//! A large file is parsed table by table: the parser's own tree takes 1 KiB for each table, however small, and
//! this way only one of them is in memory at a time. Whatever is unusual (an error, arrays of tables, a table that
//! is given twice or in parts) is left to the parser, for the file as a whole.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml_parser::{Source, lexer::TokenKind};

use super::build::Build;
use crate::config::{
    origin::Origin,
    tree::{Lines, Node, Value},
};

/// A table with a header of its own.
struct Piece {
    path: Vec<Key>,
    node: Node,
}

/// A key of a header.
struct Key {
    name: String,
    origin: Origin,
    /// Whether the table at this key has no header of its own.
    is_implied: bool,
}

/// The tree of `text`; `None` where it has to be looked at as a whole.
pub(super) fn parse(lines: &Lines, text: &str) -> Option<Node> {
    let mut build = Build::new(lines);
    let mut pieces = Vec::new();
    for (range, depth) in split(text)? {
        build.offset = range.start;
        pieces.push(piece(&mut build, &text[range], depth, lines.line(1))?);
    }
    pieces.sort_by(|one: &Piece, other| names(one).cmp(names(other)));
    let mut pieces = pieces.into_iter();
    let mut root = pieces.next()?.node;
    let mut before: Vec<Key> = Vec::new();
    for Piece { mut path, node } in pieces {
        put(&mut root, &before, &mut path, node)?;
        before = path;
    }
    Some(root)
}

fn names(piece: &Piece) -> impl Iterator<Item = &str> {
    piece.path.iter().map(|key| &*key.name)
}

/// Where the tables with headers begin and end, each with the number of keys in its header; before them, what
/// stands above the first header.
fn split(text: &str) -> Option<Vec<(Range<usize>, usize)>> {
    let mut pieces = Vec::new();
    let (mut start, mut keys) = (0, 0);
    let (mut open, mut in_header, mut line_begins) = (0_usize, false, true);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket if line_begins && open == 0 => {
                pieces.push((start..token.span().start(), keys));
                (start, keys, in_header, open) = (token.span().start(), 1, true, 1);
            }
            // An array of tables.
            TokenKind::LeftSquareBracket if in_header => return None,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => open += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                open = open.checked_sub(1)?;
                in_header = false;
            }
            TokenKind::Dot if in_header => keys += 1,
            _ => {}
        }
        line_begins = match token.kind() {
            TokenKind::Newline => true,
            TokenKind::Whitespace => line_begins,
            _ => false,
        };
    }
    pieces.push((start..text.len(), keys));
    Some(pieces)
}

fn piece(build: &mut Build<'_>, text: &str, depth: usize, mut origin: Origin) -> Option<Piece> {
    let mut table = DeTable::parse(text).ok()?.into_inner();
    let mut path = Vec::with_capacity(depth);
    for _ in 0..depth {
        let (key, value) = table.into_iter().next()?;
        let DeValue::Table(below) = value.into_inner() else { return None };
        origin = build.place(key.span());
        let name = key.into_inner().into_owned();
        path.push(Key { name, origin: origin.clone(), is_implied: false });
        table = below;
    }
    let node = build.table(table, origin, depth).ok()?;
    Some(Piece { path, node })
}

/// Puts a table into the tree. `before` is the path of the one that was put there last; they come in order.
fn put(root: &mut Node, before: &[Key], path: &mut [Key], node: Node) -> Option<()> {
    let (last, above) = path.split_last_mut()?;
    let mut at = root;
    let mut is_shared = true;
    for (level, key) in above.iter_mut().enumerate() {
        let same = before.get(level).filter(|same| is_shared && same.name == key.name);
        is_shared = same.is_some();
        key.is_implied = same.is_none_or(|same| same.is_implied);
        let Value::Map(members) = &mut at.value else { return None };
        if !is_shared && members.get(&key.name).is_some() {
            // A key of another table, not a header, made it.
            return None;
        }
        at = members.or_insert_with(&key.name, || Node::map(&key.origin));
        if key.is_implied && key.origin.line() < at.origin.line() {
            at.origin = key.origin.clone();
        }
    }
    let Value::Map(members) = &mut at.value else { return None };
    if members.get(&last.name).is_some() {
        return None;
    }
    members.insert(&last.name, node);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::tree::Members;

    /// Everything in a tree, with its lines.
    fn shown(node: &Node) -> String {
        let line = node.origin.line();
        match &node.value {
            Value::Text(text) => format!("{line}:{:?}", text.as_str()),
            Value::Sequence(items) => format!("{line}:{:?}", items.iter().map(shown).collect::<Vec<_>>()),
            Value::Map(members) => format!("{line}:{{{}}}", all(members)),
            Value::Secret(_) => unreachable!("no source writes one"),
        }
    }

    fn all(members: &Members) -> String {
        members.iter().map(|(key, node)| format!("{key:?} = {}, ", shown(node))).collect()
    }

    #[test]
    fn table_by_table_is_the_same_as_whole() {
        let mut in_pieces = 0;
        for text in [
            "",
            "# nothing\n",
            "a = 1\n[b]\nc = [\n[1],\n[2]]\n[d.e]\nf = { g = \"[x]\" }\n",
            "[t.b]\nx = 1\n[p.z]\n[t.a]\nx = '''\n[no.header]\n'''\n[t.a.tls]\ny = 2\n",
            " [ t . \"a.b\" ] # c\nx = \"\"\"\n[\n\"\"\"\n[t.'c']\nx = -1_0.5\n",
            "[t.a]\n[t]\nx = 1\n",
            "[a]\nb.c = 1\n[a.d]\n",
            // Not TOML, or not in pieces.
            "[t]\n[t]\n",
            "[a]\nb.c = 1\n[a.b]\n",
            "[a]\nb.c = 1\n[a.b.d]\n",
            "[a]\nb = {}\n[a.b.d]\n[a.b.e]\n",
            "a.b = 1\n[a]\n",
            "[[t]]\nx = 1\n[[t]]\n[t.y]\n",
            "[t\nx = 1\n",
            "[t] x = 1\n",
            "[]\n",
            "x = ]\n[t]\n",
            "x = [\n[t]\n",
            "[a.]\n",
            "\"a\" = 1\n[a]\n",
        ] {
            let lines = Lines::new(Path::new("c.toml"), text);
            let whole = super::super::whole(&lines, text).ok().map(|node| shown(&node));
            let pieces = parse(&lines, text).map(|node| shown(&node));
            in_pieces += usize::from(pieces.is_some());
            assert!(pieces.is_none() || pieces == whole, "{text}\n{pieces:?}\n{whole:?}");
        }
        assert_eq!(in_pieces, 7);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_is_read_in_two_ways(parts in proptest::collection::vec(
            "(\\[[ab](\\.[abc]){0,2}\\]|[abc](\\.[ab])? = ([1-9]|\\{\\}|\\[\n\\[1\\],\\]|\\{ a = 1 \\}|'''\n\\[a\\]\n'''))",
            0..6,
        )) {
            let text = parts.join("\n");
            let lines = Lines::new(Path::new("c.toml"), &text);
            if let Some(pieces) = parse(&lines, &text) {
                let whole = super::super::whole(&lines, &text).ok().map(|node| shown(&node));
                proptest::prop_assert_eq!(Some(shown(&pieces)), whole);
            }
        }
    }
}
