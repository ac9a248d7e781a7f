//! A record as bytes, before it is sealed and after it was opened: JSON, so that a later version may add members. The bytes
//! hold the secrets in clear and are zeroed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record::{Creating, Lease, Record, Rotation, Step, StoredSecret};
use crate::{
    config::Endpoint,
    ids::{Label, TemplateName, TenantName},
    secret::Secret,
};

/// Why a record is not kept: it would not come back as it is.
const ODD: &str = "the client secret is not visible ASCII text";
/// Room for a record, so that its buffer does not grow and leave copies behind.
const ROOM: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Written {
    alias: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    endpoint: String,
    resource: String,
    client_id: String,
    secrets: Vec<WrittenSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    created_at: u64,
    created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<WrittenStep>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creating: Option<WrittenCreating>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    configured: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenCreating {
    account: String,
    name: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_unanswered: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenSecret {
    value: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenStep {
    Create { name: String },
    Prove(WrittenSecret),
    Retire { at: u64 },
}

/// The record as bytes.
///
/// # Errors
/// What is wrong with a record that cannot be written.
pub(super) fn write(record: &Record) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let written = Written {
        alias: record.alias.to_string(),
        tenant_id: record.tenant_id.clone(),
        endpoint: record.endpoint.to_string(),
        resource: record.resource.to_string(),
        client_id: record.client_id.to_string(),
        secrets: record.secrets.iter().map(WrittenSecret::of).collect::<Result<_, _>>()?,
        template: record.template.as_ref().map(ToString::to_string),
        labels: record.labels.iter().map(ToString::to_string).collect(),
        created_at: seconds(record.created_at),
        created_by: record.created_by.clone(),
        rotated_at: record.rotation.last.map(seconds),
        step: match &record.rotation.step {
            None => None,
            Some(Step::Create { name }) => Some(WrittenStep::Create { name: name.clone() }),
            Some(Step::Prove(secret)) => Some(WrittenStep::Prove(WrittenSecret::of(secret)?)),
            Some(Step::Retire { at }) => Some(WrittenStep::Retire { at: seconds(*at) }),
        },
        holder: record.rotation.lease.as_ref().map(|lease| lease.holder.clone()),
        creating: record.creating.as_ref().map(|it| WrittenCreating {
            account: it.account.to_string(),
            name: it.name.clone(),
            is_unanswered: it.is_unanswered,
        }),
        configured: record.configured,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    serde_json::to_writer(&mut *bytes, &written).map_err(|_| "it cannot be written")?;
    Ok(bytes)
}

/// The record of these bytes; `None` where they are none.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let written: Written = serde_json::from_slice(bytes).ok()?;
    let step = match written.step {
        None => None,
        Some(WrittenStep::Create { name }) => Some(Step::Create { name }),
        Some(WrittenStep::Prove(secret)) => Some(Step::Prove(secret.read())),
        Some(WrittenStep::Retire { at }) => Some(Step::Retire { at: time(at) }),
    };
    let labels = written.labels.iter().map(|label| Label::parse(label).ok());
    let template = written.template.map(|name| TemplateName::parse(&name).ok());
    Some(Record {
        alias: TenantName::parse(&written.alias).ok()?,
        tenant_id: written.tenant_id,
        endpoint: Endpoint::parse(&written.endpoint).ok()?,
        resource: written.resource.into(),
        client_id: written.client_id.into(),
        secrets: written.secrets.into_iter().map(WrittenSecret::read).collect(),
        template: match template {
            Some(name) => Some(name?),
            None => None,
        },
        labels: labels.collect::<Option<_>>()?,
        created_at: time(written.created_at),
        created_by: written.created_by,
        rotation: Rotation {
            last: written.rotated_at.map(time),
            step,
            lease: written.holder.map(|holder| Lease { holder }),
        },
        configured: written.configured,
        creating: match written.creating {
            None => None,
            Some(WrittenCreating { account, name, is_unanswered }) => {
                Some(Creating { account: TenantName::parse(&account).ok()?, name, is_unanswered })
            }
        },
    })
}

impl WrittenSecret {
    fn of(secret: &StoredSecret) -> Result<Self, &'static str> {
        let value = secret.value.expose();
        if value.is_empty() || !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ODD);
        }
        Ok(Self {
            value: Zeroizing::new(std::str::from_utf8(value).map_err(|_| ODD)?.to_owned()),
            name: secret.name.clone(),
            since: seconds(secret.since),
            expires_at: secret.expires_at.map(seconds),
        })
    }

    fn read(self) -> StoredSecret {
        StoredSecret {
            value: Secret::new(self.value.as_bytes().to_vec()),
            name: self.name,
            since: time(self.since),
            expires_at: self.expires_at.map(time),
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A time that no clock can show is its beginning.
fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::record::tests::record;

    #[test]
    fn a_record_comes_back_as_it_was_in_each_state() {
        let at = time(1_800_000_000);
        let other = StoredSecret {
            value: Secret::new(b"other".to_vec()),
            name: Some("claviger 1".into()),
            since: at,
            expires_at: Some(at),
        };
        let mut whole = record("acme", "s3cret");
        whole.tenant_id = Some("abc123".into());
        whole.template = Some(TemplateName::parse("customer").unwrap());
        whole.labels = vec![Label::parse("eu").unwrap()];
        whole.rotation.last = Some(at);
        whole.rotation.lease = Some(Lease { holder: "0123456789abcdef".into() });
        whole.configured = true;
        for step in [
            None,
            Some(Step::Create { name: "claviger 2".into() }),
            Some(Step::Prove(other.clone())),
            Some(Step::Retire { at }),
        ] {
            whole.rotation.step = step;
            let bytes = write(&whole).unwrap();
            assert_eq!(read(&bytes).as_ref(), Some(&whole));
            assert!(bytes.len() < 1024, "{} bytes", bytes.len());
        }
        for is_unanswered in [false, true] {
            let account = TenantName::parse("default").unwrap();
            let creating = Creating { account, name: Some("Acme".into()), is_unanswered };
            let note = Record { creating: Some(creating), secrets: Vec::new(), ..record("acme", "s") };
            assert_eq!(read(&write(&note).unwrap()), Some(note));
        }
        for odd in ["", "two\nlines", "\u{e9}"] {
            assert_eq!(write(&record("acme", odd)).unwrap_err(), ODD);
        }
        assert_eq!(read(b"{}"), None);
    }
}
