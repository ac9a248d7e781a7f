use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{template::Segment, *};

fn catalog() -> &'static Catalog {
    Catalog::logto()
}

fn find(verb: Verb, path: &str) -> Option<&'static str> {
    catalog().find(verb, path).map(|op| catalog().operation(op).id)
}

/// The operation's path with parameters filled in.
fn example(operation: &Operation, param: impl Fn(usize) -> String) -> String {
    let segments = operation.template.segments().iter().enumerate();
    segments.fold(String::new(), |path, (at, segment)| match segment {
        Segment::Literal(literal) => format!("{path}/{literal}"),
        Segment::Param => format!("{path}/{}", param(at)),
    })
}

#[test]
fn the_embedded_catalog_is_whole() {
    assert_eq!(catalog().operations().len(), 275);
    assert_eq!(catalog().tags().len(), 36);
    let ids: BTreeSet<_> = catalog().ids().collect();
    assert_eq!(ids.len(), 275, "an operationId stands for one operation");
    let shapes: BTreeSet<_> = catalog()
        .operations()
        .map(|(_, o)| (o.verb, example(o, |_| "{}".into()).to_ascii_lowercase()))
        .collect();
    assert_eq!(shapes.len(), 275, "two operations cannot have the same method and shape of path");
    let paged = |paging| catalog().operations().filter(|(_, o)| o.paging == Some(paging)).count();
    assert_eq!((paged(Paging::Always), paged(Paging::Optional)), (14, 15), "fact 4.6");
}

#[test]
fn every_operation_is_found_at_its_path_in_any_case() {
    for (op, operation) in catalog().operations() {
        assert_eq!(catalog().by_id(operation.id), Some(op));
        assert_eq!(catalog().tag(operation.tag), Some(operation.tag));
        for param in ["x", "0", "a%20b", "%E5%90%8D", "aaaaaaaaaaaaaaaaaaaaa", "action.postSignIn"] {
            let path = example(operation, |at| format!("{param}{at}"));
            assert_eq!(catalog().find(operation.verb, &path), Some(op), "{path}");
            assert!(matches!(catalog().spell(op, &path), Cow::Borrowed(same) if same == path));
            let shouted = example(operation, |at| format!("{param}{at}"))
                .split('/')
                .map(|s| if s.contains(param) || s == "api" { s.to_owned() } else { s.to_ascii_uppercase() })
                .collect::<Vec<_>>()
                .join("/");
            assert_eq!(catalog().find(operation.verb, &shouted), Some(op), "{shouted}");
            assert_eq!(catalog().spell(op, &shouted), path);
        }
    }
}

#[test]
fn literals_come_before_parameters_unless_the_method_says_otherwise() {
    assert_eq!(find(Verb::Get, "/api/configs/oidc/session"), Some("GetOidcSessionConfig"));
    assert_eq!(find(Verb::Get, "/api/configs/oidc/private-keys"), Some("GetOidcKeys"));
    assert_eq!(find(Verb::Post, "/api/domains/cleanup"), Some("CleanupDomains"));
    assert_eq!(find(Verb::Get, "/api/domains/cleanup"), Some("GetDomain"));
    assert_eq!(find(Verb::Delete, "/api/domains/CLEANUP"), Some("DeleteDomain"));
    let tokens = "/api/users/u/personal-access-tokens";
    assert_eq!(find(Verb::Post, &format!("{tokens}/delete")), Some("DeletePersonalAccessTokenPost"));
    assert_eq!(find(Verb::Delete, &format!("{tokens}/delete")), Some("DeleteUserPersonalAccessToken"));
    let roles = "/api/organizations/o/applications/roles";
    assert_eq!(find(Verb::Post, roles), Some("AssignOrganizationRolesToApplications"));
    assert_eq!(find(Verb::Delete, roles), Some("DeleteOrganizationApplication"));
    let nested = format!("{roles}/roles");
    assert_eq!(find(Verb::Post, &nested), Some("AssignOrganizationRolesToApplication"));
}

#[test]
fn what_is_no_operation_is_not_found() {
    for (verb, path) in [
        (Verb::Get, "/api"),
        (Verb::Get, "/api/user"),
        (Verb::Get, "/api/userss"),
        (Verb::Put, "/api/users"),
        (Verb::Get, "/api/users/u/roles/r"),
        (Verb::Get, "/api/users/u/roles/r/s"),
        (Verb::Get, "/API/users"),
        (Verb::Get, "/users"),
        (Verb::Get, "/v2/users"),
        (Verb::Get, "users"),
        (Verb::Get, ""),
        (Verb::Get, "/"),
        (Verb::Get, "/api/%75sers"),
        (Verb::Get, "/api/my-account"),
        (Verb::Post, "/api/experience/submit"),
    ] {
        assert_eq!(find(verb, path), None, "{verb} {path}");
    }
}

#[test]
fn head_is_get_and_other_methods_are_none() {
    assert_eq!(Verb::of(&http::Method::HEAD), Some(Verb::Get));
    for method in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"] {
        assert_eq!(Verb::of(&http::Method::from_bytes(method.as_bytes()).unwrap()), None, "{method}");
    }
}

/// A deny by tag covers what is below the tag's paths, which would be too much if two tags shared one.
#[test]
fn no_two_tags_share_the_segment_after_api() {
    let mut tags = BTreeMap::new();
    for (_, operation) in catalog().operations() {
        let room = operation.template.as_str().split('/').nth(2).unwrap();
        assert_eq!(*tags.entry(room).or_insert(operation.tag), operation.tag, "{room}");
    }
}

/// FACTS section 7, row by row, and the list of dangerous writes below it.
#[test]
fn whatever_returns_a_secret_or_gives_power_is_sensitive() {
    use Risk::{Destruction, Elevation, Fetch, Impersonation, Keys, Secrets};
    for (risk, ids) in [
        (Secrets, "ListApplicationSecrets CreateApplicationSecret UpdateApplicationSecret"),
        (Secrets, "ListApplications GetApplication CreateApplication UpdateApplication"),
        (Secrets, "ListRoleApplications ListOrganizationApplications DeleteApplicationLegacySecret"),
        (Secrets, "ListConnectors GetConnector CreateConnector UpdateConnector"),
        (Secrets, "ListSsoConnectors GetSsoConnector CreateSsoConnector UpdateSsoConnector"),
        (Secrets, "ListOrganizationJitSsoConnectors"),
        (Secrets, "ListHooks GetHook CreateHook UpdateHook UpdateHookSigningKey"),
        (Secrets, "ListUserPersonalAccessTokens CreateUserPersonalAccessToken"),
        (Secrets, "UpdateUserPersonalAccessToken UpdatePersonalAccessTokenName"),
        (Secrets, "CreateUserMfaVerification CreateSubjectToken"),
        (Secrets, "ListOneTimeTokens AddOneTimeTokens GetOneTimeToken VerifyOneTimeToken"),
        (Secrets, "ReplaceOneTimeTokenStatus GetCaptchaProvider UpdateCaptchaProvider"),
        (Secrets, "ListJwtCustomizers GetJwtCustomizer UpsertJwtCustomizer UpdateJwtCustomizer"),
        (Secrets, "ListActions GetAction UpsertAction UpdateAction"),
        (Keys, "CreateSamlApplicationSecret UpdateSamlApplicationSecret DeleteSamlApplicationSecret"),
        (Keys, "GetOidcKeys RotateOidcKeys DeleteOidcKey UpdateHookSigningKey"),
        (Keys, "CreateApplicationSecret DeleteApplicationSecret DeleteApplicationLegacySecret"),
        (Elevation, "CreateApplication UpdateApplication AssignApplicationRoles ReplaceApplicationRoles"),
        (Elevation, "CreateRole UpdateRole CreateRoleApplication CreateRoleScope CreateRoleUser"),
        (Elevation, "AssignUserRoles ReplaceUserRoles CreateSamlApplication UpdateSamlApplication"),
        (Elevation, "UpdateOidcSessionConfig UpsertJwtCustomizer DeleteJwtCustomizer TestJwtCustomizer"),
        (Fetch, "CreateConnector UpdateConnector CreateConnectorTest CreateHook UpdateHook CreateHookTest"),
        (Fetch, "CreateSsoConnector UpdateSsoConnector TestJwtCustomizer TestAction"),
        (Impersonation, "CreateSubjectToken CreateUserPersonalAccessToken AddOneTimeTokens"),
        (Impersonation, "UpdateUserPassword CreateUserIdentity ReplaceUserIdentity"),
        (
            Destruction,
            "DeleteApplication DeleteSamlApplication DeleteConnector DeleteSsoConnector DeleteHook",
        ),
        (Destruction, "DeleteCaptchaProvider DeleteEmailTemplates CleanupDomains"),
        (Keys, "DeleteUserPersonalAccessToken DeletePersonalAccessTokenPost DeleteOneTimeToken DeleteSecret"),
        (Elevation, "DeleteUserMfaVerification DeleteSentinelActivities"),
    ] {
        for id in ids.split(' ') {
            let operation = catalog().operation(catalog().by_id(id).unwrap());
            assert!(operation.risks.contains(&risk), "{id}: {risk}");
            assert!(operation.is_sensitive() || operation.is_safe_when_masked(), "{id}");
        }
    }
}

/// Masked, they are as harmless as their neighbours; nothing that writes is, and nothing with a second risk.
#[test]
fn what_only_reads_secrets_is_safe_when_masked_and_nothing_else_is() {
    let all = catalog().operations().map(|(_, operation)| operation);
    let (safe, others): (Vec<_>, Vec<_>) = all.partition(|operation| operation.is_safe_when_masked());
    let ids: Vec<_> = safe.iter().map(|operation| operation.id).collect();
    assert_eq!(
        ids.join(" "),
        "ListApplications GetApplication ListApplicationSecrets GetCaptchaProvider ListActions GetAction \
         ListJwtCustomizers GetJwtCustomizer ListConnectors GetConnector ListHooks GetHook \
         ListOrganizationApplications ListOrganizationJitSsoConnectors ListRoleApplications ListSsoConnectors \
         GetSsoConnector ListUserPersonalAccessTokens"
    );
    assert!(safe.iter().all(|operation| operation.verb == Verb::Get && !operation.is_sensitive()));
    for id in ids {
        assert!(catalog().secrets(catalog().by_id(id).unwrap()).is_some(), "{id}: nothing would mask it");
    }
    assert!(others.iter().all(|operation| operation.is_sensitive() != operation.risks.is_empty()));
}

/// Who may not read the secrets of an object cannot put them back once it is deleted.
#[test]
fn what_holds_secrets_is_deleted_by_name_alone() {
    let holders = "applications saml-applications captcha-provider connectors sso-connectors hooks one-time-tokens \
                   secrets";
    let all = || catalog().operations().map(|(_, operation)| operation).filter(|o| o.verb == Verb::Delete);
    for tag in holders.split_whitespace() {
        let deleting = all().filter(|operation| operation.tag == tag);
        // `/api/hooks/{id}` is the object; what is further below is a part of it, judged by itself.
        let whole: Vec<_> = deleting.filter(|o| o.template.segments().len() <= 3).collect();
        assert!(!whole.is_empty(), "{tag}");
        assert!(whole.iter().all(|operation| operation.is_sensitive()), "{tag}");
    }
    let credentials = all().filter(|o| {
        ["/secrets", "/legacy-secret", "/personal-access-tokens"]
            .iter()
            .any(|part| o.template.as_str().contains(part))
    });
    assert_eq!(credentials.filter(|operation| operation.is_sensitive()).count(), 5);
}

/// A sensitive operation that need not be is a rule that nobody can write in one word.
#[test]
fn ordinary_work_is_not_sensitive() {
    for id in "ListUsers GetUser CreateUser UpdateUser DeleteUser UpdateUserCustomData ListUserRoles ListRoles GetRole \
               ListOrganizations GetOrganization CreateOrganization AddOrganizationUsers ListOrganizationUsers \
               ListLogs ListSamlApplicationSecrets GetUserHasPassword GetStatus"
        .split_whitespace()
    {
        assert!(!catalog().operation(catalog().by_id(id).unwrap()).is_sensitive(), "{id}");
    }
}

#[test]
fn the_openapi_documents_are_withheld() {
    for (_, operation) in catalog().operations() {
        let document = operation.template.as_str().ends_with(".json");
        assert_eq!(operation.requirement == Requirement::Withheld, document, "{}", operation.id);
    }
}

#[test]
fn a_bad_line_is_an_error_with_its_number() {
    let error = |text: &'static str| Catalog::parse(text).unwrap_err().to_string();
    let good = "GET\t/api/a\tGetA\ta\t-\t-\ttoken";
    assert!(Catalog::parse(good).is_ok());
    assert_eq!(error("# x\nGET\t/api/a"), "line 2: not seven columns");
    assert_eq!(error("GET\t/api/a\tGetA\ta\t-\t-\ttoken\tmore"), "line 1: not seven columns");
    assert_eq!(error("GOT\t/api/a\tGetA\ta\t-\t-\ttoken"), "line 1: not a method");
    assert_eq!(error("GET\t/a\tGetA\ta\t-\t-\ttoken"), "line 1: not a template");
    assert_eq!(error("GET\t/api/a\tGetA\ta\tbad\t-\ttoken"), "line 1: not a risk");
    assert_eq!(error("GET\t/api/a\tGetA\ta\t-\tno\ttoken"), "line 1: not a kind of paging");
    assert_eq!(error("GET\t/api/a\tGetA\ta\t-\t-\tno"), "line 1: not a kind of access");
}

#[test]
fn a_slip_finds_the_name_that_was_meant() {
    let near = |text| nearest(text, catalog().ids());
    assert_eq!(near("ListUser"), Some("ListUsers"));
    assert_eq!(near("listusers"), Some("ListUsers"));
    assert_eq!(near("GetUsr"), Some("GetUser"));
    assert_eq!(near("Zzzzzzzzzzzzzzzzzzzzzzz"), None);
    assert_eq!(nearest("user", catalog().tags().iter().copied()), Some("users"));
    assert_eq!(nearest("saml-application", catalog().tags().iter().copied()), Some("saml-applications"));
}

/// Whoever decodes before it routes takes `a%2Fb` for two segments: that must not be another operation.
#[test]
fn a_free_name_is_last_and_nothing_is_below_it() {
    let free: Vec<_> = catalog().operations().map(|(_, o)| o).filter(|o| o.has_free_name).collect();
    let ids: Vec<_> = free.iter().map(|o| o.id).collect();
    assert_eq!(
        ids,
        [
            "UpdateApplicationSecret",
            "DeleteApplicationSecret",
            "DeleteOrganizationJitEmailDomain",
            "GetUserIdentity",
            "ReplaceUserIdentity",
            "DeleteUserIdentity",
            "UpdateUserPersonalAccessToken",
            "DeleteUserPersonalAccessToken"
        ]
    );
    for operation in free {
        assert_eq!(operation.template.segments().last(), Some(&Segment::Param));
        let path = example(operation, |_| "x".into());
        let begins = |other: &Operation| example(other, |_| "x".into()).starts_with(&format!("{path}/"));
        let below = catalog().operations().find(|(_, other)| other.verb == operation.verb && begins(other));
        assert!(below.is_none(), "{}", operation.id);
    }
}
