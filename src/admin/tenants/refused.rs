//! Why something was not done with a tenant of the vault: what whoever has `admin.token` is told.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    proxy::{AdoptError, Failure, NewTenantError},
    rotation::RotationError,
    vault::VaultError,
};

/// Why not.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    remedy: String,
}

impl Refused {
    pub(super) fn shown(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "remedy": self.remedy })
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        let failure = Failure::from(error.clone()).describe();
        // Whoever has the token may know which file it is about.
        let (message, remedy) = (error.to_string(), error.remedy().to_owned());
        Self { status: failure.status, code: failure.code, message, remedy }
    }
}

impl From<AdoptError> for Refused {
    fn from(error: AdoptError) -> Self {
        let (status, code) = match error {
            AdoptError::Vault(error) => return error.into(),
            AdoptError::Said(_) => (StatusCode::BAD_REQUEST, "claviger.bad_request"),
            AdoptError::Differs { .. } => (StatusCode::CONFLICT, "claviger.alias_taken"),
            AdoptError::Unproved(_) => (StatusCode::BAD_GATEWAY, "claviger.credential_rejected"),
        };
        Self { status, code, message: error.to_string(), remedy: error.remedy().to_owned() }
    }
}

impl From<NewTenantError> for Refused {
    fn from(error: NewTenantError) -> Self {
        let message = error.to_string();
        match error {
            NewTenantError::Said(_) => Self {
                status: StatusCode::BAD_REQUEST,
                code: "claviger.bad_request",
                message,
                remedy: String::new(),
            },
            NewTenantError::Refused { remedy, .. } => {
                Self { status: StatusCode::BAD_GATEWAY, code: "claviger.creation_refused", message, remedy }
            }
            NewTenantError::Failure(Failure::Vault(error)) => error.into(),
            NewTenantError::Failure(failure) => {
                let told = failure.describe();
                let remedy = failure.remedy(&told).unwrap_or_default().into_owned();
                Self { status: told.status, code: told.code, message, remedy }
            }
        }
    }
}

impl From<RotationError> for Refused {
    fn from(error: RotationError) -> Self {
        let (status, code) = match error {
            RotationError::Vault(error) => return error.into(),
            RotationError::NotRetired(_) | RotationError::Logto(_) => {
                (StatusCode::BAD_GATEWAY, "claviger.upstream_invalid")
            }
            RotationError::Unreadable(_) => (StatusCode::BAD_GATEWAY, "claviger.token_unavailable"),
            RotationError::Unproved(_) => (StatusCode::BAD_GATEWAY, "claviger.credential_rejected"),
            RotationError::Configured(_) => (StatusCode::CONFLICT, "claviger.alias_taken"),
            RotationError::Shared { .. } | RotationError::Underway(_) => {
                (StatusCode::CONFLICT, "claviger.tenant_changed")
            }
        };
        Self { status, code, message: error.to_string(), remedy: error.remedy().to_owned() }
    }
}
