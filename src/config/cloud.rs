//! `[cloud.NAME]`: an account at Logto Cloud, where tenants are made by API.

use serde::{Serialize, Serializer};

use super::{
    endpoint::Endpoint,
    show,
    tenant::{Tenant, UpstreamTls},
    words::{ClientAuth, Indicator},
};
use crate::{
    ids::{InvalidName, TemplateName, TenantName},
    secret::ClientSecret,
};

/// `[cloud.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cloud {
    /// Its name, by which callers' grants refer to it.
    #[serde(skip)]
    pub name: TenantName,
    /// `endpoint`
    pub endpoint: Endpoint,
    /// `token`: a personal access token of the account. Logto Cloud takes it as a bearer token, without an exchange.
    pub token: ClientSecret,
    /// `template`: the settings of tenants that are created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// `alias`: under which name a created tenant is known here.
    pub alias: AliasForm,
    /// `indicator`: where the one in the answer to a creation leads.
    pub indicator: Indicator,
    /// `max_in_flight`
    pub max_in_flight: usize,
    /// `tls`
    pub tls: UpstreamTls,
}

impl Cloud {
    /// The account as an upstream: what requests, limits and connections know it as. Its client secret is the token itself.
    pub fn as_tenant(&self) -> Tenant {
        Tenant {
            name: TenantName::of_account(&self.name),
            labels: Vec::new(),
            endpoint: self.endpoint.clone(),
            resource: "".into(),
            client_id: "".into(),
            client_secrets: vec![self.token.clone()],
            client_auth: ClientAuth::Basic,
            scopes: Vec::new(),
            resources: Vec::new(),
            organization_id: None,
            parameters: Vec::new(),
            quota: None,
            max_in_flight: self.max_in_flight,
            // Answers to creations are read here.
            compression: false,
            tls: self.tls.clone(),
            rotate: None,
            created_by: None,
        }
    }
}

impl show::Named for Cloud {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// How aliases are made of Logto's tenant IDs: a name with one `{id}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasForm(String);

const ID: &str = "{id}";

impl AliasForm {
    /// Parses a form.
    ///
    /// # Errors
    /// [`InvalidName`] where no ID would make a name of it, or more than one is in it.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let form = Self(text.to_owned());
        if text.matches(ID).count() != 1 {
            return Err(InvalidName);
        }
        // Logto's own have 6 characters.
        form.alias("abc123").map(|_| form)
    }

    /// The alias of the tenant with this ID.
    ///
    /// # Errors
    /// [`InvalidName`]: the ID cannot be part of a name.
    pub fn alias(&self, id: &str) -> Result<TenantName, InvalidName> {
        TenantName::parse(&self.0.replace(ID, id))
    }
}

/// The ID itself.
impl Default for AliasForm {
    fn default() -> Self {
        Self(ID.to_owned())
    }
}

impl Serialize for AliasForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_made_of_an_id() {
        let alias = |form, id| AliasForm::parse(form).unwrap().alias(id).map(|it| it.to_string());
        assert_eq!(alias("{id}", "abc123"), Ok("abc123".into()));
        assert_eq!(alias("customer-{id}", "abc123"), Ok("customer-abc123".into()));
        for id in ["", "../x", "a/b", "A", &"a".repeat(64)] {
            assert!(AliasForm::default().alias(id).is_err(), "{id}");
        }
        for form in ["", "customer", "{id}{id}", "-{id}", "{name}", "a/{id}"] {
            assert!(AliasForm::parse(form).is_err(), "{form}");
        }
    }
}
