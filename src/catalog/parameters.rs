//! What an operation takes: query parameters, and members at the top of the JSON object in its body. For whoever checks
//! that a condition is about something that exists; requests are never judged by it.

use std::sync::LazyLock;

use super::{index::Catalog, operation::Op, parse::CatalogError};

/// The names that an operation takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    /// As in `parameters.tsv`: separated by commas.
    pub(super) query: &'static str,
    pub(super) members: &'static str,
}

static LOGTO: LazyLock<Box<[Parameters]>> = LazyLock::new(|| {
    read(Catalog::logto(), include_str!("parameters.tsv"))
        .expect("the embedded table is well formed: its test reads this very text")
});

/// Those of an operation of the embedded catalog.
pub(super) fn embedded(op: Op) -> Parameters {
    LOGTO.get(op.index()).copied().unwrap_or_default()
}

impl Parameters {
    /// Whether some operation takes a query parameter of this very name.
    pub fn is_of_some_operation(name: &str) -> bool {
        LOGTO.iter().any(|of| names(of.query).any(|known| known == name))
    }

    /// The query parameters, in alphabetical order; `search*` stands for all that begin so.
    pub fn query(self) -> impl Iterator<Item = &'static str> {
        names(self.query)
    }

    /// Whether the operation takes a query parameter, letter for letter.
    pub fn takes(self, name: &str) -> bool {
        self.query().any(|known| match known.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => known == name,
        })
    }

    /// The members of the body, in alphabetical order; `*` stands for any.
    pub fn members(self) -> impl Iterator<Item = &'static str> {
        names(self.members)
    }

    /// Whether the body may have a member, letter for letter.
    pub fn has_member(self, name: &str) -> bool {
        self.members().any(|known| known == "*" || known == name)
    }
}

fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(',').filter(|name| !name.is_empty())
}

fn read(catalog: &Catalog, text: &'static str) -> Result<Box<[Parameters]>, CatalogError> {
    let mut table = vec![None; catalog.operations().len()];
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let bad = |problem| CatalogError { line: index + 1, problem };
        let columns: Vec<_> = line.split('\t').collect();
        let [id, query, members] = columns[..] else { return Err(bad("not three columns")) };
        let op = catalog.by_id(id).ok_or(bad("not an operation"))?;
        let list = |text: &'static str| match text {
            "-" => Ok(""),
            _ if text.split(',').any(str::is_empty) => Err(bad("a name is missing")),
            _ => Ok(text),
        };
        let parameters = Parameters { query: list(query)?, members: list(members)? };
        if table[op.index()].replace(parameters).is_some() {
            return Err(bad("an operation that has a line already"));
        }
    }
    Ok(table.into_iter().map(Option::unwrap_or_default).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> Parameters {
        embedded(Catalog::logto().by_id(id).unwrap())
    }

    #[test]
    fn an_operation_takes_what_is_documented_and_what_was_measured() {
        for (id, name) in [
            ("ListUsers", "page_size"),
            ("ListUsers", "search"),
            ("ListUsers", "search.primaryEmail"),
            ("ListUsers", "mode.name"),
            ("ListUsers", "joint"),
            ("ListUsers", "jointMode"),
            ("ListUsers", "includePasswordHash"),
            ("ListUsers", "excludeRoleId"),
            ("ListUsers", "isCaseSensitive"),
            ("GetUser", "includePasswordHash"),
            ("ListLogs", "enableCap"),
        ] {
            assert!(of(id).takes(name), "{id} {name}");
        }
        for (id, name) in
            [("ListUsers", "serach"), ("ListUsers", "Search"), ("GetRole", "page"), ("GetUser", "")]
        {
            assert!(!of(id).takes(name), "{id} {name}");
        }
        assert!(of("UpdateUser").has_member("customData") && !of("UpdateUser").has_member("isSuspended"));
        assert!(of("CreateUserMfaVerification").has_member("codes"), "any of the alternatives");
        assert!(of("UpdateApplicationCustomData").has_member("anything"));
        assert!(!of("ListUsers").has_member("anything"));
    }

    #[test]
    fn every_list_that_comes_in_pages_takes_their_number_and_size() {
        for (op, operation) in Catalog::logto().operations() {
            let paged = ["page", "page_size"].map(|name| embedded(op).takes(name));
            assert_eq!(paged, [operation.paging.is_some(); 2], "{}", operation.id);
        }
    }

    #[test]
    fn what_only_reads_has_no_body_and_most_that_writes_has_one() {
        let all = Catalog::logto().operations();
        let with_body: Vec<_> = all.filter(|(op, _)| embedded(*op).members().next().is_some()).collect();
        assert!(with_body.iter().all(|(_, operation)| !operation.verb.reads()));
        assert_eq!(with_body.len(), 116);
    }

    #[test]
    fn a_table_with_a_mistake_is_refused() {
        for text in
            ["GetUser", "GetUser\ta", "GetUser\ta\tb\tc", "GetUsr\ta\t-", "GetUser\t\t-", "GetUser\ta,\t-"]
        {
            assert!(read(Catalog::logto(), text).is_err(), "{text:?}");
        }
        assert!(read(Catalog::logto(), "GetUser\ta\t-\nGetUser\tb\t-").is_err());
    }
}
