//! A request that has arrived, on its way to whoever answers it.
//!
//! Decides nothing.

use http::{HeaderMap, Method, Uri, Version};

use crate::{body::Payload, record::TenantName};

/// A request, read to its end.
pub(crate) struct Received<'a> {
    pub(crate) number: usize,
    pub(crate) tenant: TenantName,
    pub(crate) method: &'a Method,
    pub(crate) version: Version,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) payload: &'a Payload,
}
