//! What a request asks for, as the policy judges it. Read by the router; the tenant is the caller's text until it is
//! looked up among those that there are, and the path has not been looked into yet (that is `path`'s work).

use crate::catalog::Api;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'r> {
    /// `/api/…` or `/t/{tenant}/api/…`: the Management API.
    Api {
        /// As the caller wrote it; `None`: the caller's default.
        tenant: Option<&'r str>,
        /// From `/api` on, as it came.
        path: &'r str,
        /// What follows `?`, to go upstream byte for byte.
        query: Option<&'r str>,
    },
    /// `/cloud/api/…` or `/cloud/{account}/api/…`: the Logto Cloud API.
    Cloud {
        /// As the caller wrote it; `None`: the caller's only one.
        account: Option<&'r str>,
        /// From `/api` on, as it came.
        path: &'r str,
        /// What follows `?`, to go upstream byte for byte.
        query: Option<&'r str>,
        /// The alias that a tenant which is created is to have, as the caller wrote it; `None`: as the account has it.
        alias: Option<&'r str>,
    },
    /// `/oidc/token` or `/t/{tenant}/oidc/token`: the token broker.
    Token {
        /// As the caller wrote it; `None`: the caller's default.
        tenant: Option<&'r str>,
        /// What for, once the form is read.
        asked: Asked<'r>,
    },
}

/// What a token request asks for; what it leaves out is the grant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked<'r> {
    /// RFC 8707
    pub resource: Option<&'r str>,
    /// Whether `resource` is this proxy's own `/api`, as the client addresses it.
    pub is_of_this_proxy: bool,
    /// Logto's
    pub organization_id: Option<&'r str>,
    /// RFC 6749 section 3.3: separated by spaces.
    pub scope: Option<&'r str>,
}

impl<'r> Target<'r> {
    /// The tenant, or the account at Logto Cloud, that it names.
    pub fn tenant(&self) -> Option<&'r str> {
        match *self {
            Self::Api { tenant, .. } | Self::Token { tenant, .. } => tenant,
            Self::Cloud { account, .. } => account,
        }
    }

    /// The API that it is for, or for whose tokens.
    pub fn api(&self) -> Api {
        match self {
            Self::Api { .. } | Self::Token { .. } => Api::Management,
            Self::Cloud { .. } => Api::Cloud,
        }
    }
}

/// Why a request is for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// 404 `claviger.not_found`
    #[error(
        "there is no such path here: the Management API is below /api or /t/{{tenant}}/api, the Logto Cloud API below /cloud/api, the token broker is /oidc/token"
    )]
    NotFound,
    /// 404 `claviger.not_found`, where other proxies may ask (`authz.enabled`).
    #[error("{}, and other proxies ask at /authz", Self::NotFound)]
    NotFoundNorAuthz,
    /// 404 `claviger.not_found`: a path of this proxy, but for a slip at its beginning or end.
    #[error("there is no such path here{}. Did you mean {tenant}{path}?", .slip.map_or_else(String::new, |slip| format!(": {slip}")))]
    Meant {
        /// What is wrong, where that has a name.
        slip: Option<&'static str>,
        /// How the path that was meant begins: with nothing, or with `/t/` and the tenant.
        tenant: Box<str>,
        /// The operation that was meant, or the token endpoint.
        path: &'static str,
    },
    /// 404 `claviger.tenant_unknown`: `/t//api/…`, or an empty `Claviger-Tenant`.
    #[error("the name of the tenant is empty: was a variable empty?")]
    TenantEmpty,
    /// 404 `claviger.not_found`: a probe, a scraper or an operator at the wrong port.
    #[error("{asked} is not answered at this address: {} on the admin listener (`listen.admin`)", if .asked == .path { "it is".into() } else { format!("write {path},") })]
    OfAdmin {
        /// What is asked for.
        asked: &'static str,
        /// What the admin listener answers.
        path: &'static str,
    },
    /// 404 `claviger.not_found`: the same, for those who set up another proxy.
    #[error("/authz is switched off here; the operator can set authz.enabled = true")]
    Authz,
    /// 404 `claviger.not_found`: a client that appends the token endpoint to a base URL with `/api`.
    #[error(
        "there is no such path here: the token endpoint is {tenant}/oidc/token. Write the base URL without /api"
    )]
    TokenBelowApi {
        /// How the path that was meant begins: with nothing, or with `/t/` and the tenant.
        tenant: Box<str>,
    },
    /// 400 `claviger.path_ambiguous`: mostly a base URL with a slash at its end.
    #[error("the path begins with \"//\"")]
    TwoSlashes,
    /// 405: metadata is read.
    #[error("this path takes GET and HEAD only")]
    Read,
    /// 400: `GET http://host/path`, `CONNECT host:port`, `OPTIONS *` (RFC 9112 section 3.2).
    #[error("the request target is not a path that begins with \"/\"")]
    NotOriginForm,
    /// 400
    #[error("the query holds a control character, a space or \"#\"")]
    Query,
    /// 400: more than one `Claviger-Tenant`, or one that is not text.
    #[error("the Claviger-Tenant header must be sent once, with one name")]
    TenantHeader,
    /// 400: two answers to one question.
    #[error("the path and the Claviger-Tenant header name different tenants")]
    TenantConflict,
}
