//! The embedded Logto, with one machine-to-machine application whose secret is a canary.

use std::ops::Deref;

use claviger_emulator::{Client, Effect, Emulator, Fault, ManagementRole, Options, Recorded, Seed, Target};

use super::canary::MARK;

const CLIENT: &str = "m2m-of-the-proxy";

/// A Logto of one's own.
pub(crate) struct Logto {
    emulator: Emulator,
    secret: String,
}

impl Logto {
    /// With five users and everything else of the demonstration.
    pub(crate) async fn start() -> Self {
        Self::with(Options { seed: Seed::Demo { users: 5 }, ..Options::default() }).await
    }

    /// With other options; the application is added.
    pub(crate) async fn with(options: Options) -> Self {
        let secret = format!("{MARK}client-secret-0123456789");
        let client = |id: &str, role| Client { id: id.into(), secrets: vec![secret.clone()], role };
        let clients = vec![
            client(CLIENT, ManagementRole::Granted),
            client("m2m-without-role", ManagementRole::Missing),
        ];
        let emulator = Emulator::start(Options { clients, ..options }).await.expect("a port is free");
        Self { emulator, secret }
    }

    pub(crate) fn client(&self) -> &str {
        CLIENT
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// Arms one more fault for the Management API.
    pub(crate) fn api_fault(&self, effect: Effect) {
        self.faults().add(Fault::new(Target::Api, effect));
    }

    /// Arms one more fault for the token endpoint.
    pub(crate) fn token_fault(&self, effect: Effect) {
        self.faults().add(Fault::new(Target::Token, effect));
    }

    /// Arms a fault for the next `times` requests to the Management API.
    pub(crate) fn api_fault_times(&self, times: usize, effect: Effect) {
        self.faults().add(Fault::new(Target::Api, effect).times(times));
    }

    /// What arrived at the Management API.
    pub(crate) fn api_requests_seen(&self) -> Vec<Recorded> {
        self.recorded().into_iter().filter(|request| !request.is_token_request()).collect()
    }

    /// The last request that arrived at the Management API.
    pub(crate) fn last(&self) -> Recorded {
        self.api_requests_seen().pop().expect("a request arrived")
    }

    /// The access tokens that arrived.
    pub(crate) fn tokens_seen(&self) -> Vec<String> {
        let bearer =
            |request: &Recorded| Some(request.header("authorization")?.strip_prefix("Bearer ")?.to_owned());
        let mut tokens: Vec<String> = Vec::new();
        for token in self.recorded().iter().filter_map(bearer) {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }
}

impl Deref for Logto {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}
