use super::*;

fn allow(text: &str) -> Result<Rule, String> {
    Rule::parse(Catalog::logto(), Effect::Allow, text).map_err(|error| error.to_string())
}

fn deny(text: &str) -> Result<Rule, String> {
    Rule::parse(Catalog::logto(), Effect::Deny, text).map_err(|error| error.to_string())
}

#[test]
fn each_form_is_understood() {
    let list_users = Catalog::logto().by_id("ListUsers").unwrap();
    assert_eq!(allow("*"), Ok(Rule::All));
    assert_eq!(allow("ListUsers"), Ok(Rule::Operation(list_users)));
    assert_eq!(allow(" ListUsers "), Ok(Rule::Operation(list_users)));
    for (text, access) in
        [("users:read", Access::Read), ("users:write", Access::Write), ("users:*", Access::Any)]
    {
        assert_eq!(allow(text), Ok(Rule::Tag { tag: "users", access }));
    }
    for text in [
        "GET /api/roles/{id}",
        "GET  /api/roles/{anything}",
        "PATCH /api/my-account/profile",
        "GET /api/users/**",
        "GET /api/**",
        "DELETE /api/**",
        "POST /api/experience/{x}/**",
        "GET /api/users/u1",
    ] {
        assert!(matches!(allow(text), Ok(Rule::Template { .. })), "{text}");
    }
}

#[test]
fn what_is_no_rule_says_what_to_write() {
    for (text, message) in [
        ("", "an empty rule: write a tag and \":read\", an operationId, a method and a path, or \"*\""),
        ("ListUser", "no operation is called \"ListUser\"; did you mean \"ListUsers\"?"),
        ("listUsers", "no operation is called \"listUsers\"; did you mean \"ListUsers\"?"),
        (
            "FrobnicateEverything",
            "no operation is called \"FrobnicateEverything\"; `claviger operations` lists all tags and operations",
        ),
        ("*:read", "\"*:read\" names no tag: write one, as in \"users:read\"; all tags are \"GET /api/**\""),
        (
            "openid",
            "no operation is called \"openid\"; scopes of OAuth are no rules: write what the caller may do, such as \"users:read\"",
        ),
        (
            "List*",
            "no operation is called \"List*\"; there are no patterns over names: write \"users:read\", or \"GET /api/users/**\"",
        ),
        ("write", "\"write\" names no tag: write one, as in \"users:write\"; all tags are \"*\""),
        ("user:read", "no tag is called \"user\"; did you mean \"users:read\"?"),
        ("Users:read", "no tag is called \"Users\"; did you mean \"users:read\"?"),
        ("Users:Read", "no tag is called \"Users\"; did you mean \"users:read\"?"),
        ("Users:WRITE", "no tag is called \"Users\"; did you mean \"users:write\"?"),
        ("user:all", "no tag is called \"user\"; did you mean \"users:*\"?"),
        ("read:users", "\"read:users\" is no rule; did you mean \"users:read\"?"),
        ("write:User", "\"write:User\" is no rule; did you mean \"users:write\"?"),
        ("users.read", "\"users.read\" is no rule; did you mean \"users:read\"?"),
        ("users/read", "\"users/read\" is no rule; did you mean \"users:read\"?"),
        ("read_users", "\"read_users\" is no rule; did you mean \"users:read\"?"),
        ("manage-users", "\"manage-users\" is no rule; did you mean \"users:*\"?"),
        ("Users.ReadWrite", "\"Users.ReadWrite\" is no rule; did you mean \"users:*\"?"),
        ("list_users", "no operation is called \"list_users\"; did you mean \"ListUsers\"?"),
        (
            "organization-roles.list",
            "\"organization-roles.list\" is no rule; did you mean \"organization-roles:read\"?",
        ),
        (
            "read:organization-roles",
            "\"read:organization-roles\" is no rule; did you mean \"organization-roles:read\"?",
        ),
        ("all", "\"all\" is no rule; did you mean \"*\"?"),
        ("read:zebras", "no tag is called \"read\"; `claviger operations` lists all tags and operations"),
        ("GET/api/users", "a space stands between method and path: write \"GET /api/users\""),
        ("get:/api/users/{id}", "a space stands between method and path: write \"GET /api/users/{id}\""),
        (
            "GetNothing",
            "no operation is called \"GetNothing\"; `claviger operations` lists all tags and operations",
        ),
        ("users", "\"users\" is a tag: write \"users:read\", \"users:write\" or \"users:*\""),
        ("users:delete", "\"delete\" is not an access: write \"users:read\", \"users:write\" or \"users:*\""),
        ("users:", "\"\" is not an access: write \"users:read\", \"users:write\" or \"users:*\""),
        ("/api/users", "a path needs a method: write \"GET /api/users\""),
        ("HEAD /api/users", "HEAD is allowed and denied together with GET: write GET"),
        (
            "get /api/users",
            "\"get\" is not a method: write GET, POST, PUT, PATCH or DELETE; a rule has one method",
        ),
        ("users:read ListRoles", "each rule is a text of its own: write \"users:read\", \"ListRoles\""),
        ("users:read,roles:read", "each rule is a text of its own: write \"users:read\", \"roles:read\""),
        ("users:read, ListRoles", "each rule is a text of its own: write \"users:read\", \"ListRoles\""),
        ("ListUsers,ListRoles", "each rule is a text of its own: write \"ListUsers\", \"ListRoles\""),
        (
            "* /api/users",
            "\"*\" is not a method: write GET, POST, PUT, PATCH or DELETE; a rule has one method",
        ),
        ("GET /users", "a path begins with \"/api/\": write \"GET /api/users\""),
        ("PATCH /users/{id}", "a path begins with \"/api/\": write \"PATCH /api/users/{id}\""),
        ("GET /usrs", "\"/usrs\" is not a path template: a path begins with \"/api/\""),
        ("GET /api", "\"/api\" is not a path template: a path begins with \"/api/\""),
        (
            "GET /api/users/",
            "\"/api/users/\" is not a path template: write no \"//\", and no \"/\" at the end: a rule without it matches paths that end in \"/\" as well",
        ),
        (
            "GET /api/users?page=1",
            "\"/api/users?page=1\" is not a path template: a rule is about the path alone: leave out \"?\" and what follows",
        ),
        (
            "GET /api/users/:id",
            "\"/api/users/:id\" is not a path template: the segment \":id\" means nothing: \
             write {id} for one segment, or a final /** for any further ones",
        ),
        ("GET /api/USERS/{id}", "write \"GET /api/users/{userId}\", as Logto does"),
    ] {
        assert_eq!(allow(text), Err(message.into()), "{text}");
    }
    for text in
        ["GET /api/users/*", "GET /api/**/x", "GET /api/users/a{id}", "GET /api/users/{}", "GET /api/a/***"]
    {
        assert!(deny(text).unwrap_err().contains("means nothing"), "{text}");
    }
    for text in
        ["GET /api/users/%20", "GET /api/..", "GET /api/a.", "GET /api/a;b", "GET /api/é", "GET /api/a b"]
    {
        assert!(deny(text).unwrap_err().contains("may hold letters"), "{text}");
    }
    assert!(deny(&format!("GET /api{}", "/a".repeat(32))).unwrap_err().contains("more than 32 segments"));
}

#[test]
fn an_allow_that_grants_nothing_is_a_mistake_and_a_deny_never_is() {
    for (text, message) in [
        (
            "POST /api/applications/{id}/secrets",
            "\"POST /api/applications/{id}/secrets\" is the sensitive operation CreateApplicationSecret, \
             which only its name grants: write \"CreateApplicationSecret\"",
        ),
        (
            "POST /api/Applications/app1/Secrets",
            "\"POST /api/Applications/app1/Secrets\" is the sensitive operation CreateApplicationSecret, \
             which only its name grants: write \"CreateApplicationSecret\"",
        ),
        (
            "subject-tokens:*",
            "\"subject-tokens:*\" grants nothing: its operations are sensitive, \
             and only their names grant them: CreateSubjectToken",
        ),
        ("status:write", "\"status:write\" grants nothing: the tag has no such operation that is forwarded"),
        ("GetSwaggerJson", "GetSwaggerJson is an OpenAPI document and never forwarded: leave the rule out"),
        (
            "GET /api/swagger.json",
            "GetSwaggerJson is an OpenAPI document and never forwarded: leave the rule out",
        ),
        (
            "swagger-json:read",
            "\"swagger-json:read\" grants nothing: the tag has no such operation that is forwarded",
        ),
    ] {
        assert_eq!(allow(text), Err(message.into()), "{text}");
        assert!(deny(text).is_ok(), "{text}");
    }
    assert!(allow("CreateApplicationSecret").is_ok());
    assert!(allow("connectors:write").is_ok(), "CreateConnectorAuthorizationUri is not sensitive");
    assert!(
        allow("captcha-provider:write").unwrap_err().contains("UpdateCaptchaProvider, DeleteCaptchaProvider")
    );
    for text in ["captcha-provider:read", "GET /api/hooks/{id}", "applications:read"] {
        assert!(allow(text).is_ok(), "{text}: what it reads comes masked");
    }
}
