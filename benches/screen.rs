//! What masking and the echo guard cost an answer: a list of 44 KB with a secret in each row, one without any, and an
//! ordinary answer of 1.7 KB. `cargo bench --bench screen`.

use std::hint::black_box;

use bytes::Bytes;
use claviger::{
    catalog::Catalog,
    filter::{KnownSecrets, MaskDetector, redact::Redactor},
    secret::Secret,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn rows(row: &str, size: usize) -> Bytes {
    let rows = vec![row; size / row.len()].join(",");
    Bytes::from(format!("[{rows}]"))
}

fn screen(criterion: &mut Criterion) {
    let application = r#"{"tenantId":"default","id":"k4deq2c6a2s1p08nven40","name":"proxy-m2m","secret":"S3CR3T-of-an-application-of-old","description":null,"type":"MachineToMachine","oidcClientMetadata":{"redirectUris":[],"postLogoutRedirectUris":[]},"customClientMetadata":{},"protectedAppMetadata":null,"customData":{},"isThirdParty":false,"createdAt":1795191691957,"isAdmin":false}"#;
    let connector = format!(
        r#"{{"id":"cz8oou4ubkkc","config":{{"clientId":"cid","clientSecret":"GH-SECRET"}},"target":"github","logo":"data:image/svg+xml;base64,{}"}}"#,
        "PHN2ZyB3aWR0aD0iMjQi".repeat(200)
    );
    let user = r#"{"id":"kvrgaogxz6dg","username":"user1","primaryEmail":"user1@example.com","primaryPhone":null,"name":"User 1","avatar":null,"customData":{"n":1},"identities":{},"lastSignInAt":null,"createdAt":1795191691957,"updatedAt":1795191691957,"profile":{},"applicationId":null,"isSuspended":false,"hasPassword":true}"#;
    let list = rows(application, 44_000);
    let connectors = rows(&connector, 44_000);
    let users = rows(user, 1_700);
    let catalog = Catalog::logto();
    let secrets_of =
        |id| catalog.by_id(id).and_then(|op| catalog.secrets(op)).expect("it answers with secrets");

    let mut group = criterion.benchmark_group("mask");
    for (name, id, body) in [
        ("44 KB of applications", "ListApplications", &list),
        ("44 KB of connectors", "ListConnectors", &connectors),
        ("1.7 KB of hooks", "ListHooks", &users),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut redactor = Redactor::new(secrets_of(id));
                let masked = redactor.mask(body.clone()).expect("it is JSON");
                redactor.finish().expect("it is whole");
                black_box(masked)
            });
        });
    }
    group.finish();

    let photo: Vec<u8> = {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..1_000_000).map(|_| next()).collect()
    };
    let mut group = criterion.benchmark_group("mask in a request");
    for (name, body) in
        [("1.7 KB of users", &users[..]), ("44 KB of connectors", &connectors), ("1 MB photo", &photo)]
    {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(MaskDetector::default().ends_in(black_box(body))));
        });
    }
    group.finish();

    let held = KnownSecrets::new(&[Secret::new(b"qXf8Zk2LrT0vB7nHsW4cYp9mJd3uGa1e".to_vec())]);
    let mut group = criterion.benchmark_group("guard, one secret");
    for (name, body) in
        [("1.7 KB of users", &users), ("44 KB of applications", &list), ("44 KB of connectors", &connectors)]
    {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(held.are_in(black_box(body)))));
    }
    group.finish();
}

criterion_group!(benches, screen);
criterion_main!(benches);
