//! What `check`, `policy matrix` and `operations` say of rules.

use serde_json::{Value, json};

use super::{Files, claviger, finish, offline, program};
use crate::support::Settings;

#[tokio::test]
async fn b32_a_condition_on_a_name_that_nothing_has_is_a_mistake() {
    let files = Files::new();
    let file = files.with(&offline().set(
        "policies.all.allow",
        "[{ operation = 'ListUsers', query = { serach = { forbidden = true }, pagesize = { max = 3 } } }, \
          { operation = 'UpdateUser', body = ['nmae'] }, \
          { operation = 'GET /api/organization-scopes', query = { page_size = { max = 3 } } }]",
    ));
    let said = claviger(&["check", "--config", &file]).await;
    said.assert_code(64);
    for what in [
        "policies.all.allow[0].query.serach: \"serach\" is not a query parameter of ListUsers. Did you mean \"search\"?",
        "policies.all.allow[0].query.pagesize: \"pagesize\" is not a query parameter of ListUsers. Did you mean \"page_size\"?",
        "policies.all.allow[1].body[0]: \"nmae\" is not a member of the body of UpdateUser. Did you mean \"name\"?",
        "policies.all.allow[2].query.page_size: without page and page_size ListOrganizationScopes answers the whole list, \
         so this bounds nothing. Add required = true.",
    ] {
        assert!(said.stderr.contains(what), "{what}\n{}", said.stderr);
    }
}

#[tokio::test]
async fn check_and_the_matrix_say_what_a_tag_brings() {
    let files = Files::new();
    let file = files.with(
        &offline()
            .set("policies.all.allow", "['hooks:*', 'roles:read', 'GetUser', 'DeleteHook']")
            .set("policies.all.deny", "['GetRole']")
            .set("callers.local.reveal", "['GetHook']"),
    );
    let hooks = "\"hooks:*\" brings 3 operations, of which 2 come with secrets masked: ListHooks, GetHook; only by name: \
                 CreateHook, UpdateHook, DeleteHook, UpdateHookSigningKey, CreateHookTest\n";
    let check =
        finish(program().args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef")).await;
    check.assert_code(0);
    let matrix = claviger(&["policy", "matrix", "--config", &file]).await;
    // The matrix breaks long lines.
    let unbroken = matrix.stdout.replace("\n    ", " ");
    for said in [&check.stdout, &unbroken] {
        assert!(said.contains(hooks), "{said}");
        assert!(said.contains("\"roles:read\" brings ") && !said.contains("\"GetUser\" brings"), "{said}");
        assert!(said.contains("; denied: GetRole\n"), "{said}");
    }
    for line in ["ListHooks+ ", "DeleteHook* ", "GetUser ", "  GetHook: answers unmasked"] {
        assert!(matrix.stdout.contains(line), "{line}\n{}", matrix.stdout);
    }
    assert!(
        !matrix.stdout.contains("CreateHook ") && !matrix.stdout.contains("CreateHook* "),
        "{}",
        matrix.stdout
    );

    let json: Value =
        serde_json::from_str(&claviger(&["policy", "matrix", "--config", &file, "--json"]).await.stdout)
            .expect("it is JSON");
    let caller = &json["callers"][0];
    assert_eq!(caller["broad_rules"][0]["masked"], json!(["ListHooks", "GetHook"]));
    let masked = |id: &str| {
        let operations = caller["operations"].as_array().expect("a list");
        let found = operations.iter().find(|operation| operation["operation"] == id);
        found.unwrap_or_else(|| panic!("{id}"))["secrets_masked"].clone()
    };
    assert_eq!(
        (masked("ListHooks"), masked("GetHook"), masked("GetUser")),
        (true.into(), false.into(), false.into())
    );

    let operations = claviger(&["operations", "--tag", "hooks"]).await.stdout;
    assert!(operations.contains("hooks (secrets masked)\n"), "{operations}");
    assert!(operations.contains("hooks (sensitive: destruction)\n"), "{operations}");
}

/// A lock for a later `allow` may be meant, and a slip may be as well: whoever reviews it should know.
#[tokio::test]
async fn check_and_the_matrix_name_denies_that_take_nothing_away() {
    let files = Files::new();
    let settings = offline()
        .set("tenants.acme.client_secret", "'0123456789abcdef'")
        .set("policies.all.allow", "['users:read']")
        .set("policies.all.deny", "['DELETE /api/**', 'GetUser', 'hooks:write', 'cloud:DeleteTenant']")
        .set("policies.more.allow", "['hooks:*', 'CreateHook']")
        .set(
            "callers.other.identify",
            "{ api_key_sha256 = '0000000000000000000000000000000000000000000000000000000000000001' }",
        )
        .set("callers.other.policies", "['all', 'more']");
    let file = files.with(&settings);
    let check = claviger(&["check", "--config", &file]).await;
    let said = "  policies.all.deny: \"DELETE /api/**\", \"cloud:DeleteTenant\" take nothing away now: nothing that they deny is allowed to \
                a caller with this policy\n";
    assert!(check.assert_code(0).stdout.contains(said), "{}", check.stdout);
    let matrix = claviger(&["policy", "matrix", "--config", &file]).await.stdout;
    let unbroken = matrix.replace("\n    ", " ");
    let (local, other) = unbroken.split_once("\ncaller other\n").expect("it is there");
    let is_idle = |text: &str, rule: &str| {
        let mut lines =
            text.lines().filter(|line| line.starts_with(&format!("  deny \"{rule}\" of policy all ({file}")));
        let line = lines.next().expect("it is there");
        assert!(lines.next().is_none(), "once: {text}");
        line.ends_with(") takes nothing away: no rule allows this caller what it denies")
    };
    for rule in ["DELETE /api/**", "hooks:write", "cloud:DeleteTenant", "GetUser"] {
        assert_eq!(is_idle(local, rule), rule != "GetUser", "{rule}: {local}");
        assert_eq!(is_idle(other, rule), !matches!(rule, "GetUser" | "hooks:write"), "{rule}: {other}");
    }
    let shown =
        claviger(&["policy", "matrix", "--config", &file, "--json", "--caller", "other"]).await.stdout;
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    let denies = shown["callers"][0]["denies"].as_array().expect("a list");
    let idle = denies.iter().find(|deny| deny["rule"] == "DELETE /api/**").expect("it is there");
    assert_eq!(idle["takes_away"], json!([]));
    let page = claviger(&["policy", "matrix", "--config", &file, "--format", "html"]).await.stdout;
    let idle = " takes nothing away: no rule allows this caller what it denies</dd>";
    assert!(
        page.contains("<dt>Denied</dt><dd>deny &quot;DELETE /api/**&quot; of policy all")
            && page.contains(idle),
        "{page}"
    );
}

/// The row of an operation that is denied vanishes from the table, so nothing else shows a reviewer that somebody took it away.
#[tokio::test]
async fn the_matrix_says_of_each_deny_what_it_takes_away() {
    let files = Files::new();
    let settings = offline()
        .set("policies.all.allow", "['users:read', 'roles:read']")
        .set("policies.all.deny", "['ListUsers', 'GET /api/users/admin', 'roles:*']");
    let file = files.with(&settings);
    let matrix = async |format: &str| {
        let finished = claviger(&["policy", "matrix", "--config", &file, "--format", format]).await;
        finished.assert_code(0);
        finished.stdout
    };
    let (text, page) = (matrix("text").await.replace("\n    ", " "), matrix("html").await);
    assert!(!text.contains("\nListUsers"), "{text}");
    for (rule, takes) in [
        ("ListUsers", "takes away: ListUsers"),
        ("GET /api/users/admin", "takes away: some paths of GetUser"),
        ("roles:*", "takes away: 5 operations (ListRoles, GetRole, ListRoleApplications, …)"),
    ] {
        let said = |quote: &str| format!("deny {quote}{rule}{quote} of policy all ({file}");
        for (text, quote) in [(&text, "\""), (&page, "&quot;")] {
            let line =
                text.lines().find(|line| line.contains(&said(quote)) && line.contains(" takes away: "));
            assert!(line.is_some_and(|line| line.contains(takes)), "{rule}: {text}");
        }
    }
    let json: Value = serde_json::from_str(&matrix("json").await).expect("it is JSON");
    let denies = json["callers"][0]["denies"].as_array().expect("a list");
    assert_eq!(denies.len(), 3);
    assert_eq!((&denies[0]["rule"], &denies[0]["takes_away"]), (&"ListUsers".into(), &json!(["ListUsers"])));
    assert_eq!(denies[1]["takes_away_some_paths_of"], json!(["GetUser"]));
}

/// Several callers, one with a long name, and texts that somebody chose with care.
fn reviewed(files: &Files) -> String {
    let settings = offline()
        .set(
            "policies.all.allow",
            "['users:*', 'hooks:read', 'organizations:*', 'CreateRole', \
              { operation = 'GET /api/new-things/{id}', query = { '=HYPERLINK(1)' = { required = true } } }]",
        )
        .set("policies.all.deny", "['GET /api/users/admin']")
        .set("policies.part.allow", "['PATCH /api/users/u1', 'GET /api/users/{id}']")
        .set("callers.local.reveal", "['ListHooks']");
    let mut settings = settings;
    for (number, name) in
        ["billing", "provisioning", "reporting-of-the-whole-company-and-then-some-more-of-it", "x", "support"]
            .into_iter()
            .enumerate()
    {
        let digest = format!("'{:064x}'", number + 1);
        settings = settings
            .set(&format!("callers.{name}.identify"), format!("{{ api_key_sha256 = {digest} }}"))
            .set(&format!("callers.{name}.policies"), "['part']");
    }
    let directory = files.0.path().join("a<b>&'c");
    std::fs::create_dir(&directory).expect("a temporary directory can be written to");
    let path = directory.join("claviger.toml");
    settings.write(&path);
    path.display().to_string()
}

#[tokio::test]
async fn the_matrix_is_readable_in_a_hundred_columns() {
    let files = Files::new();
    let matrix = claviger(&["policy", "matrix", "--config", &reviewed(&files)]).await;
    matrix.assert_code(0);
    for line in matrix.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let lines: Vec<&str> = matrix.stdout.lines().collect();
    let head = lines[0].find("provisioning").expect("it is in the first table");
    let at = lines.iter().position(|line| line.starts_with("GetUser ")).expect("it is granted");
    assert!(lines[at][head..].starts_with("yes "), "aligned: {}", matrix.stdout);
    assert_eq!(lines[at + 1], "  GET /api/users/{userId}");
    for part in [
        " yes 1 ",
        " part ",
        " !",
        "\nrules\n",
        "GET /api/users/admin",
        "\ncaller x\n",
        "\ncaller support\n  authenticated by: api_key\n",
        "\ncaller local\n  authenticated by: loopback\n",
        "\nhow to read it\n  yes N    allowed by rule N\n",
    ] {
        assert!(matrix.stdout.contains(part), "{part}: {}", matrix.stdout);
    }
    // Every caller is at the head of one table.
    for caller in ["billing", "local", "provisioning", "reporting-of", "support", "x"] {
        let heads = lines.iter().filter(|line| line.starts_with("operation ") && line.contains(caller));
        assert_eq!(heads.count(), 1, "{caller}: {}", matrix.stdout);
    }
}

#[tokio::test]
async fn the_matrix_is_a_page_a_spreadsheet_and_json_as_well() {
    let files = Files::new();
    let file = reviewed(&files);
    let format = async |format: &str| {
        let finished = claviger(&["policy", "matrix", "--config", &file, "--format", format]).await;
        finished.assert_code(0);
        finished.stdout
    };
    let page = format("html").await;
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    for part in [
        "<span class=\"name\">GetUser</span>",
        "<b>GET</b> /api/users/{userId}",
        "a&lt;b&gt;&amp;&#39;c",
        "unmasked",
        "<dt>Authenticated by</dt><dd>api_key</dd>",
        "allowed where the conditions of rule N are met",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in ["<b>&", "a<b>", "<script", "http://", "https://", "src=", "url(", "@import"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    // What a link leads to is there.
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
    let csv = format("csv").await;
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(
        lines[0]
            .starts_with("\"caller\",\"authenticated by\",\"tenants\",\"operation\",\"method\",\"path\",\"granted\",\"rules\""),
        "{csv}"
    );
    assert!(lines.iter().any(|line| {
        line.starts_with(
            "\"local\",\"loopback\",\"acme\",\"GetUser\",\"GET\",\"/api/users/{userId}\",\"yes\"",
        )
    }));
    assert!(csv.contains("\"'=HYPERLINK(1) required\"") && !csv.contains("\"="), "{csv}");
    for line in lines.iter().filter(|line| !line.is_empty()) {
        assert_eq!(line.matches("\",\"").count(), 11, "{line}");
    }
    let json = format("json").await;
    let same = claviger(&["policy", "matrix", "--config", &file, "--json"]).await;
    assert_eq!(json, same.stdout);
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    let granted: usize = json["callers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["operations"].as_array().map_or(0, Vec::len))
        .sum();
    // The head, the last end of a line, and the rule beyond the catalog.
    assert_eq!(lines.len(), granted + 3);
    assert_eq!(json["callers"][0]["identify"], json!([{ "api_key": "(set)" }]));
    let both = claviger(&["policy", "matrix", "--config", &file, "--json", "--format", "csv"]).await;
    both.assert_code(2);
}

/// The conditions bind nobody, and no request would ever say so.
#[tokio::test]
async fn b32_check_warns_of_a_condition_beside_a_rule_that_allows_all() {
    let files = Files::new();
    let naming = "{ operation = 'UpdateUser', body = ['name'] }";
    let check = async |settings: &Settings| {
        let file = files.with(settings);
        let mut command = program();
        finish(command.args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef0123")).await
    };
    let void = check(&offline().set("policies.all.allow", format!("['users:*', {naming}]"))).await;
    let said = "policies.all.allow[1]: \"users:*\" of the same list allows \"UpdateUser\" without conditions, so these bind nobody. \
                Write rules in place of \"users:*\" that leave it out, or take the conditions out.\n";
    assert!(void.assert_code(0).stderr.contains(said), "{}", void.stderr);
    let apart = offline()
        .set("policies.all.allow", format!("['users:read', {naming}]"))
        .set("policies.more.allow", "['users:*']")
        .set("callers.local.policies", "['all', 'more']");
    let apart = check(&apart).await;
    assert!(
        !apart.assert_code(0).stderr.contains("bind nobody"),
        "another policy adds to it: {}",
        apart.stderr
    );
}

/// Whoever wrote both expects one of them to do something.
#[tokio::test]
async fn check_warns_of_a_deny_that_takes_all_of_an_allow() {
    let files = Files::new();
    let said = async |allow: &str, deny: &str| {
        let file = files.with(&offline().set("policies.all.allow", allow).set("policies.all.deny", deny));
        let mut check = program();
        let check =
            finish(check.args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef")).await;
        check.assert_code(0);
        check
    };
    let all = said("['users:read', 'ListRoles']", "['users:*', 'roles:write']").await;
    let warning = "policies.all.allow: \"users:read\" allows nothing: deny \"users:*\" takes all of it. Take one of them out, or narrow deny.\n";
    assert!(all.stderr.contains(warning) && all.stdout.contains(", 1 warning\n"), "{all:?}");
    assert!(all.stdout.contains("\"users:read\" brings 0 operations; denied: "), "{all:?}");
    let two = said("['ListUsers']", "['GET /api/users', 'cloud:*', '*']").await;
    assert!(
        two.stderr.contains("\"ListUsers\" allows nothing: deny \"GET /api/users\", \"*\" takes"),
        "{two:?}"
    );
    let cloud = said("['cloud:*']", "['*']").await;
    assert!(cloud.stderr.contains("\"cloud:*\" allows nothing: deny \"*\" takes"), "of both APIs: {cloud:?}");
    for (allow, deny) in [
        ("['users:read']", "['GetUser']"),
        ("['users:*', 'UpdateUserPassword']", "['users:read']"),
        ("['GET /api/new-things/**']", "['*']"),
        ("['GET /api/users/u1']", "['GetUser']"),
    ] {
        let some = said(allow, deny).await;
        assert!(!some.stderr.contains("allows nothing"), "{allow} {deny}: {some:?}");
    }
}

#[tokio::test]
async fn rules_about_logto_cloud_that_come_to_nothing_are_said_with_what_to_write() {
    let files = Files::new();
    let said = async |settings: Settings, command: &[&str]| {
        let file = files.with(&settings.set("policies.all.allow", "['users:read', 'cloud:CreateTenant']"));
        let run =
            finish(program().args(command).args(["--config", &file]).env("ACME_SECRET", "0123456789abcdef"))
                .await;
        format!("{}{}", run.stdout, run.stderr)
    };
    let account = || offline().set("cloud.default.token", "{ env = 'ACME_SECRET' }");
    let nobodys = "policies.all.allow: \"cloud:CreateTenant\" allows nothing: no caller with this policy may use an account at Logto Cloud. \
                   Write callers.local.cloud = \"default\"";
    let none = said(offline(), &["check"]).await;
    assert!(none.contains(&format!("{nobodys}, and [cloud.default] with its token.\n")), "{none}");
    let unused = said(account(), &["check"]).await;
    assert!(unused.contains(&format!("{nobodys}.\n")), "{unused}");
    let explain = ["explain", "POST", "/cloud/api/tenants", "--caller", "local"];
    for (settings, what) in [
        (
            account(),
            "caller local has no grant for the Logto Cloud API. To grant it, write callers.local.cloud = \"default\"\n",
        ),
        (
            offline(),
            "caller local has no grant for the Logto Cloud API. To grant it, write [cloud.default] with its token, and callers.local.cloud = \"default\"\n",
        ),
    ] {
        let explained = said(settings, &explain).await;
        assert!(explained.contains(what), "{explained}");
    }
    let granted = || account().set("callers.local.cloud", "'default'").set("callers.local.tenants", "['*']");
    let unkept = "policies.all.allow: \"cloud:CreateTenant\" creates nothing: there is no vault for the credential of a new tenant. \
                  Write [vault] with store = { file = \"/var/lib/claviger/vault.redb\" } and key = { file = \"…\" }.";
    let without = said(granted(), &["check"]).await;
    assert!(without.contains(unkept) && !without.contains("allows nothing"), "{without}");
    let revealed = said(granted().set("callers.local.reveal", "['cloud:CreateTenant']"), &["check"]).await;
    assert!(!revealed.contains("no vault") && revealed.contains(", 0 warnings"), "{revealed}");
}
