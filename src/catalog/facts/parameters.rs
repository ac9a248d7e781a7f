//! `parameters.tsv`: what the operations of the embedded catalog take. Read once, when a condition is checked for the first time.

use std::sync::LazyLock;

use crate::catalog::{
    index::Catalog,
    operation::Op,
    parameters::{Parameters, names},
    parse::CatalogError,
};

static LOGTO: LazyLock<Box<[Parameters]>> = LazyLock::new(|| {
    read(Catalog::logto(), include_str!("../parameters.tsv"))
        .expect("the embedded table is well formed: its test reads this very text")
});

/// Those of an operation of the embedded catalog.
pub(super) fn of(op: Op) -> Parameters {
    LOGTO.get(op.index()).copied().unwrap_or_default()
}

impl Parameters {
    /// Whether some operation takes a query parameter of this very name.
    pub fn is_of_some_operation(name: &str) -> bool {
        LOGTO.iter().any(|of| names(of.query).any(|known| known == name))
    }
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

    fn named(id: &str) -> Parameters {
        of(Catalog::logto().by_id(id).unwrap())
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
            assert!(named(id).takes(name), "{id} {name}");
        }
        for (id, name) in
            [("ListUsers", "serach"), ("ListUsers", "Search"), ("GetRole", "page"), ("GetUser", "")]
        {
            assert!(!named(id).takes(name), "{id} {name}");
        }
        assert!(
            named("UpdateUser").has_member("customData") && !named("UpdateUser").has_member("isSuspended")
        );
        assert!(named("CreateUserMfaVerification").has_member("codes"), "any of the alternatives");
        assert!(named("UpdateApplicationCustomData").has_member("anything"));
        assert!(!named("ListUsers").has_member("anything"));
    }

    #[test]
    fn every_list_that_comes_in_pages_takes_their_number_and_size() {
        for (op, operation) in Catalog::logto().operations() {
            let paged = ["page", "page_size"].map(|name| of(op).takes(name));
            assert_eq!(paged, [operation.paging.is_some(); 2], "{}", operation.id);
        }
    }

    #[test]
    fn what_only_reads_has_no_body_and_most_that_writes_has_one() {
        let all = Catalog::logto().operations();
        let with_body: Vec<_> = all.filter(|(op, _)| of(*op).members().next().is_some()).collect();
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
