//! What others see of a pipeline that is in force, and what they may have it do beside answering requests.

use std::sync::Arc;

use super::{hosts::Hosts, pipeline::Pipeline};
use crate::{
    authn::Authenticators,
    config::{Config, PolicyVersion},
    policy::Grants,
    tenants::Directory,
    upstream::Tenant,
};

impl Pipeline {
    /// The names that loopback listeners answer to.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.current_config.load_full()
    }

    /// Which policy is in force.
    pub fn policy_version(&self) -> Arc<PolicyVersion> {
        self.policy_version.load_full()
    }

    /// The tenants.
    pub fn tenants(&self) -> &Directory<Tenant> {
        &self.tenants
    }

    /// The accounts at Logto Cloud.
    pub fn accounts(&self) -> &Directory<Tenant> {
        &self.accounts
    }

    /// What callers may do.
    pub fn policy(&self) -> &Grants {
        &self.policy
    }

    /// The callers' authenticators, with the keys of their issuers.
    pub fn authenticators(&self) -> &Authenticators {
        &self.authenticators
    }

    /// Ends the cool-downs of all tenants' tokens: their causes may be mended.
    pub fn retry_tokens(&self) {
        self.tenants.all().iter().chain(&self.accounts.all()).for_each(|tenant| tenant.retry_tokens());
    }

    /// Begins to fetch what will be needed: tokens, and keys of callers' issuers. To be called in the runtime that
    /// outlives configurations, once this is to be the one in force.
    pub fn warm(&self) {
        for tenant in self.tenants.all().iter().chain(&self.accounts.all()) {
            tenant.warm();
        }
        self.authenticators.start();
    }
}
