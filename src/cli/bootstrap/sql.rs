//! The SQL that makes a machine-to-machine application in Logto's own tables, as Logto 1.30 to 1.42 have them: the application with
//! its secret, and a role for it. The secret is data of a COPY, which neither errors nor the log of statements repeat.

use zeroize::Zeroizing;

/// The tenant of a Logto that is not Logto Cloud; and its Management API's resource indicator.
const TENANT: &str = "default";
const RESOURCE: &str = "https://default.logto.app/api";
/// The role that Logto comes with.
const ROLE: &str = "Logto Management API access";

/// What of Logto's tables is read and written here.
const WANTED: [(&str, &[&str]); 7] = [
    ("resources", &["tenant_id", "id", "indicator"]),
    ("scopes", &["id", "resource_id", "name"]),
    ("applications", &["tenant_id", "id", "name", "secret", "description", "type", "oidc_client_metadata"]),
    ("application_secrets", &["tenant_id", "application_id", "name", "value"]),
    ("roles", &["tenant_id", "id", "name", "description", "type"]),
    ("roles_scopes", &["tenant_id", "id", "role_id", "scope_id"]),
    ("applications_roles", &["tenant_id", "id", "application_id", "role_id"]),
];

/// An application that is to be made.
pub(super) struct Application {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    name: String,
    /// IDs of what comes with it.
    others: [String; 3],
}

impl Application {
    /// With IDs and a secret by chance; `None`: there is none.
    pub(super) fn new(name: &str) -> Option<Self> {
        let id = || random(21).map(|id| id.to_string());
        Some(Self { id: id()?, secret: random(48)?, name: name.to_owned(), others: [id()?, id()?, id()?] })
    }

    pub(super) fn sql(&self) -> Zeroizing<String> {
        let Self { id, secret, name, others: [role, role_scope, application_role] } = self;
        let (name, secret) = (quoted(name), secret.as_str());
        let wanted =
            WANTED.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (table, column)));
        let wanted: Vec<_> = wanted.map(|(table, column)| format!("('{table}', '{column}')")).collect();
        let wanted = wanted.join(", ");
        Zeroizing::new(format!(
            r#"\set ON_ERROR_STOP on
begin;
do $$
declare
  missing text;
begin
  select string_agg(distinct case when to_regclass(wanted.table_name) is null then wanted.table_name
      else wanted.table_name || '.' || wanted.column_name end, ', ') into missing
    from (values {wanted}) as wanted (table_name, column_name)
    where not exists (select from pg_attribute where attrelid = to_regclass(wanted.table_name)
      and attname = wanted.column_name and not attisdropped);
  if missing is not null then
    raise exception using
      message = format('the database %I is not that of Logto, or of a Logto that is not known here: it has no %s', current_database(), missing),
      hint = 'Nothing was changed. Name the database that Logto itself uses (its DB_URL), and a user whose search_path has the schema of its tables.';
  end if;
  if not exists (
    select from scopes join resources on resources.id = scopes.resource_id
    where resources.tenant_id = '{TENANT}' and resources.indicator = '{RESOURCE}' and scopes.name = 'all'
  ) then
    raise exception using
      message = format('the database %I has the tables of Logto, and no Management API of its tenant "{TENANT}" for {RESOURCE} with the scope "all"', current_database()),
      hint = 'Nothing was changed. Let Logto set its database up first (logto db seed). Where row-level security hides it, use the user that owns the tables.';
  end if;
end $$;
create temporary table claviger_secret (value text) on commit drop;
copy claviger_secret (value) from stdin;
{secret}
\.
insert into applications (tenant_id, id, name, secret, description, type, oidc_client_metadata)
  values ('{TENANT}', '{id}', {name}, '#internal:' || replace(gen_random_uuid()::text, '-', ''),
    'Made by claviger bootstrap', 'MachineToMachine', '{{"redirectUris": [], "postLogoutRedirectUris": []}}');
insert into application_secrets (tenant_id, application_id, name, value)
  select '{TENANT}', '{id}', 'Default secret', value from claviger_secret;
create temporary table claviger_scope on commit drop as
  select scopes.id from scopes join resources on resources.id = scopes.resource_id
  where resources.tenant_id = '{TENANT}' and resources.indicator = '{RESOURCE}' and scopes.name = 'all';
create temporary table claviger_role on commit drop as
  select roles.id from roles
  where roles.tenant_id = '{TENANT}' and roles.type = 'MachineToMachine' and roles.name not like '#internal:%'
    and exists (select from roles_scopes where role_id = roles.id and scope_id in (select id from claviger_scope))
    and not exists (select from roles_scopes where role_id = roles.id and scope_id not in (select id from claviger_scope))
  order by roles.name = '{ROLE}' desc limit 1;
insert into roles (tenant_id, id, name, description, type)
  select '{TENANT}', '{role}', 'Claviger ' || left('{role}', 6), 'Management API access, made by claviger bootstrap', 'MachineToMachine'
  where not exists (select from claviger_role);
insert into roles_scopes (tenant_id, id, role_id, scope_id)
  select '{TENANT}', '{role_scope}', '{role}', id from claviger_scope where not exists (select from claviger_role);
insert into applications_roles (tenant_id, id, application_id, role_id)
  select '{TENANT}', '{application_role}', '{id}', coalesce((select id from claviger_role), '{role}');
commit;
"#
        ))
    }
}

/// Random text of so many characters, of letters in lower case and digits, as Logto's IDs are.
fn random(length: usize) -> Option<Zeroizing<String>> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz0123456";
    let mut bytes = Zeroizing::new(vec![0; length]);
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Zeroizing::new(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()))
}

/// As a literal of SQL.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|one| !one.is_control() && *one != '\\').take(256).collect();
    format!("'{}'", plain.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_data_alone_and_no_name_is_sql() {
        let application = Application::new("Bobby'; drop table users; --\n\\").unwrap();
        let sql = application.sql();
        assert!(sql.contains("'Bobby''; drop table users; --',"), "{}", *sql);
        let data = format!("from stdin;\n{}\n\\.\n", *application.secret);
        assert!(sql.contains(&data) && sql.matches(&*application.secret).count() == 1);
        assert_eq!((application.id.len(), application.secret.len()), (21, 48));
        assert!(sql.starts_with("\\set ON_ERROR_STOP on\nbegin;") && sql.ends_with("commit;\n"));
    }

    #[test]
    fn what_is_written_is_looked_for_first() {
        let sql = Application::new("Claviger").unwrap().sql();
        let inserts: Vec<_> = sql.split("insert into ").skip(1).collect();
        assert_eq!(inserts.len(), 5);
        for insert in inserts {
            let (table, rest) = insert.split_once(" (").unwrap();
            let (columns, _) = rest.split_once(')').unwrap();
            let written: Vec<_> = columns.split(", ").collect();
            let wanted = WANTED.iter().find(|(name, _)| *name == table).map(|(_, columns)| *columns);
            assert_eq!(wanted, Some(&*written), "{table}");
        }
        let begins = sql.find("('resources', 'tenant_id'), ").unwrap();
        assert!(begins < sql.find("from scopes join").unwrap(), "before anything of them is named");
    }
}
