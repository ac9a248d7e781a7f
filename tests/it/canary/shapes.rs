//! What Logto answers where it answers with secrets, as measured, and as older versions are known to have answered. Not
//! read from the catalog: it is what the catalog's table of places is held against.

/// Stands for a secret text.
pub(super) const TEXT: &str = "@secret@";
/// Stands for a secret number, with the quotation marks around it.
pub(super) const NUMBER: &str = "\"@number@\"";

const APPLICATION: &[&str] = &[
    // From before there were several secrets; then up to 1.41, where this one authenticates; then 1.42.
    r##"{"tenantId":"default","id":"a1","name":"n","secret":"@secret@","description":null,"type":"MachineToMachine",
        "oidcClientMetadata":{"redirectUris":[],"postLogoutRedirectUris":[]},"customClientMetadata":{"idTokenTtl":3600},
        "protectedAppMetadata":null,"customData":{},"isThirdParty":false,"createdAt":1795191970048,"isAdmin":false}"##,
    r##"{"id":"a1","type":"Traditional","secret":"#internal:@secret@","isAdmin":true,"roles":[{"id":"r"}]}"##,
];
const APPLICATION_SECRET: &[&str] = &[
    r#"{"tenantId":"default","applicationId":"a1","name":"Default secret","value":"@secret@","createdAt":1,"expiresAt":null}"#,
];
const CAPTCHA: &[&str] = &[
    r#"{"tenantId":"default","id":"c1","config":{"type":"RecaptchaEnterprise","siteKey":"s","secretKey":"@secret@","projectId":"p"},
        "createdAt":1,"updatedAt":1}"#,
    r#"{"id":"c1","config":{"secretKey":"@secret@","siteKey":"s","type":"Turnstile"}}"#,
];
const SCRIPT: &[&str] = &[
    r#"{"script":"const getCustomJwtClaims = () => '@secret@';","environmentVariables":{"API_KEY":"@secret@","PORT":"@number@"},
        "contextSample":{"user":{"id":"u"}},"tokenSample":{"jti":"j"},"blockIssuanceOnError":true}"#,
    r#"{"environmentVariables":{"nested":{"deep":["@secret@",{"er":"@secret@"}]}},"script":"@secret@"}"#,
];
const SCRIPTS: &[&str] = &[
    r#"{"key":"jwt.clientCredentials","value":{"script":"'@secret@'","environmentVariables":{"API_KEY":"@secret@"},"tokenSample":{}}}"#,
];
const CONNECTOR: &[&str] = &[
    r#"{"id":"c1","syncProfile":false,"enableTokenStorage":false,"config":{"host":"smtp.example","port":"@number@",
        "auth":{"user":"u","pass":"@secret@"},"templates":[{"usageType":"SignIn","content":"@secret@"}]},"metadata":{},
        "connectorId":"simple-mail-transfer-protocol","target":"simple-mail","type":"Email","name":{"en":"SMTP"},
        "formItems":[{"key":"pass","type":"Text","label":"Password"}],"isStandard":false,"usage":3}"#,
    r#"{"id":"c2","connectorId":"github-universal","config":{"clientId":"i","clientSecret":"@secret@","apiKey":"@secret@"}}"#,
    // A list where an object stood.
    r#"{"id":"c3","config":[["@secret@"],{"privateKey":"@secret@"}]}"#,
];
const SSO_CONNECTOR: &[&str] = &[
    r#"{"tenantId":"default","id":"s1","providerName":"OIDC","connectorName":"n","config":{"clientId":"i","clientSecret":"@secret@",
        "issuer":"https://i.example","scope":"openid"},"domains":["d.example"],"branding":{},"syncProfile":false,
        "name":"OIDC","providerType":"oidc","providerLogo":"x","providerConfig":{"clientSecret":"@secret@","scope":"openid",
        "tokenEndpoint":"https://i.example/token"}}"#,
    r#"{"id":"s2","providerName":"SAML","config":{"x509Certificate":"@secret@"},"providerConfig":{"identityProvider":{"k":"@secret@"}}}"#,
];
const HOOK: &[&str] = &[
    r#"{"tenantId":"default","id":"h1","name":"n","event":null,"events":["PostRegister"],"config":{"url":"https://h.example",
        "headers":{"Authorization":"Bearer @secret@","X-Number":"@number@"}},"signingKey":"@secret@","enabled":true,"createdAt":1}"#,
    r#"{"id":"h1","event":"PostSignIn","config":{"headers":{"A":"@secret@"},"url":"https://h.example","retries":3},"signingKey":"@secret@",
        "executionStats":{"successCount":0,"requestCount":0}}"#,
];
const ONE_TIME_TOKEN: &[&str] = &[
    r#"{"tenantId":"default","id":"o1","email":"a@example.com","token":"@secret@","context":{"jitOrganizationIds":[]},"status":"active",
        "createdAt":1,"expiresAt":2}"#,
];
const SUBJECT_TOKEN: &[&str] = &[r#"{"subjectToken":"sub_@secret@","expiresIn":600}"#];
const MFA: &[&str] = &[
    r#"{"type":"Totp","secret":"@secret@","secretQrCode":"data:image/png;base64,@secret@"}"#,
    r#"{"type":"BackupCode","codes":["@secret@","@number@","@secret@"]}"#,
];
const PERSONAL_ACCESS_TOKEN: &[&str] = &[
    r#"{"tenantId":"default","userId":"u1","name":"n","value":"pat_@secret@","createdAt":1,"expiresAt":null}"#,
];

const TABLE: &[(&[&str], &[&str])] = &[
    (
        &[
            "ListApplications",
            "CreateApplication",
            "GetApplication",
            "UpdateApplication",
            "DeleteApplicationLegacySecret",
            "ListOrganizationApplications",
            "ListRoleApplications",
        ],
        APPLICATION,
    ),
    (&["ListApplicationSecrets", "CreateApplicationSecret", "UpdateApplicationSecret"], APPLICATION_SECRET),
    (&["GetCaptchaProvider", "UpdateCaptchaProvider"], CAPTCHA),
    (&["GetAction", "UpsertAction", "UpdateAction"], SCRIPT),
    (&["GetJwtCustomizer", "UpsertJwtCustomizer", "UpdateJwtCustomizer"], SCRIPT),
    (&["ListActions", "ListJwtCustomizers"], SCRIPTS),
    (&["ListConnectors", "CreateConnector", "GetConnector", "UpdateConnector"], CONNECTOR),
    (&["ListHooks", "CreateHook", "GetHook", "UpdateHook", "UpdateHookSigningKey"], HOOK),
    (
        &[
            "ListOneTimeTokens",
            "AddOneTimeTokens",
            "VerifyOneTimeToken",
            "GetOneTimeToken",
            "ReplaceOneTimeTokenStatus",
        ],
        ONE_TIME_TOKEN,
    ),
    (
        &[
            "ListSsoConnectors",
            "CreateSsoConnector",
            "GetSsoConnector",
            "UpdateSsoConnector",
            "ListOrganizationJitSsoConnectors",
        ],
        SSO_CONNECTOR,
    ),
    (&["CreateSubjectToken"], SUBJECT_TOKEN),
    (&["CreateUserMfaVerification"], MFA),
    (
        &[
            "ListUserPersonalAccessTokens",
            "CreateUserPersonalAccessToken",
            "UpdatePersonalAccessTokenName",
            "UpdateUserPersonalAccessToken",
        ],
        PERSONAL_ACCESS_TOKEN,
    ),
];

/// The bodies that an operation may answer with; none where they hold no secret.
pub(super) fn of(operation: &str) -> &'static [&'static str] {
    TABLE.iter().find(|(ids, _)| ids.contains(&operation)).map_or(&[], |(_, bodies)| bodies)
}

/// The operations that answer with secrets.
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(ids, _)| ids.iter().copied())
}
