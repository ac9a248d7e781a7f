//! The two APIs that requests are forwarded to, and how what is about the second one is told from what is about the first:
//! by `cloud:` before the names of its operations and tags, by `/cloud` before its paths.

/// An API of Logto's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Of a tenant: the Management API.
    Management,
    /// Of an account: the Logto Cloud API, which makes tenants.
    Cloud,
}

impl Api {
    /// What names of its operations and tags begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Management => "",
            Self::Cloud => "cloud:",
        }
    }

    /// What its paths begin with here.
    pub fn mount(self) -> &'static str {
        match self {
            Self::Management => "",
            Self::Cloud => "/cloud",
        }
    }

    /// The API that a rule, or an operation's name, is about.
    pub fn of_rule(text: &str) -> Self {
        let text = text.trim();
        let path = text.split_once(char::is_whitespace).map_or(text, |(_, path)| path.trim_start());
        let cloud = text.starts_with(Self::Cloud.prefix())
            || path.strip_prefix(Self::Cloud.mount()).is_some_and(|rest| rest.starts_with('/'));
        if cloud { Self::Cloud } else { Self::Management }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_which_api_it_is_about() {
        for text in
            ["cloud:CreateTenant", " cloud:tenants:read", "cloud:*", "GET /cloud/api/tenants", "/cloud/api"]
        {
            assert_eq!(Api::of_rule(text), Api::Cloud, "{text}");
        }
        for text in ["*", "ListUsers", "users:read", "GET /api/cloud/x", "GET /cloudy/api", "cloud", ""] {
            assert_eq!(Api::of_rule(text), Api::Management, "{text}");
        }
    }
}
