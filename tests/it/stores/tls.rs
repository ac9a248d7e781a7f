//! A real `redis-server` that speaks TLS, with a private authority, and a user with a password.

use std::time::Duration;

use claviger::{
    config::{RedisAddress, RedisOptions, Roots},
    redis::Redis,
    secret::{Bearer, Secret},
    vault::InRedis,
};

use super::{are_one, key};
use crate::{
    support::{
        Logto, RedisServer,
        canary::MARK,
        pki::{Authority, Certified},
        quoted, wait, within,
    },
    vault::{Place, adopt},
};

/// With and without TLS, each at a port of its own.
struct Server {
    redis: RedisServer,
    authority: Authority,
    tls: u16,
    plain: u16,
    /// Certificates and keys.
    directory: tempfile::TempDir,
}

impl Server {
    async fn start(name: &str, more: &[&str]) -> Option<Self> {
        let authority = Authority::new("a private authority");
        let Certified { cert_pem, key_pem, .. } = authority.server(&["localhost"]);
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("it can be written to");
            path.display().to_string()
        };
        let (cert, own) = (file("cert.pem", &cert_pem), file("key.pem", &key_pem));
        let roots = file("roots.pem", &authority.pem);
        let [tls, plain] = [(); 2].map(|()| RedisServer::free_port());
        let (tls_text, plain_text) = (tls.to_string(), plain.to_string());
        let mut arguments = vec!["--bind", "127.0.0.1", "--port", &plain_text, "--tls-port", &tls_text];
        arguments.extend(["--tls-cert-file", &cert, "--tls-key-file", &own, "--tls-ca-cert-file", &roots]);
        arguments.extend(["--user", "claviger", "on", ">hunter2", "~{claviger}:*", "&{claviger}:*", "+@all"]);
        arguments.extend(more);
        let redis = RedisServer::start_with(name, &arguments).await?;
        Some(Self { redis, authority, tls, plain, directory })
    }

    fn options(&self, url: &str, authority: &Authority) -> RedisOptions {
        RedisOptions {
            username: Some("claviger".into()),
            password: Some(Bearer::Held(Secret::new("hunter2".into()))),
            roots: Roots::File { path: "roots.pem".into(), pem: authority.pem.clone().into() },
            connect_timeout: Duration::from_secs(2),
            url: vec![RedisAddress::parse(url).expect("it is one")],
            ..self.redis.options()
        }
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.tls)
    }
}

/// Why there is no connection.
pub(super) async fn refused(options: &RedisOptions) -> String {
    let redis = Redis::new(options).expect("the roots are certificates");
    let mut status = redis.status();
    let why = |status: &claviger::redis::RedisStatus| match status {
        claviger::redis::RedisStatus::Away(why) => {
            Some(why.to_string()).filter(|it| !it.ends_with("no connection yet"))
        }
        claviger::redis::RedisStatus::Connected => panic!("it is connected"),
    };
    let refused = within("the first failure", status.wait_for(|status| why(status).is_some())).await;
    let refused = why(&refused.expect("it is not dropped")).expect("it was waited for");
    assert!(!refused.contains("hunter"), "{refused}");
    refused
}

const NO_CLIENTS: [&str; 2] = ["--tls-auth-clients", "no"];

#[tokio::test]
async fn a_vault_behind_tls_with_a_private_authority_keeps_records() {
    let name = "a_vault_behind_tls_with_a_private_authority_keeps_records";
    let Some(server) = Server::start(name, &NO_CLIENTS).await else { return };
    let options = server.options(&server.url(), &server.authority);
    let opened = async || {
        let redis = Redis::new(&options).expect("the roots are certificates");
        InRedis::open(redis, key("k")).await.expect("it can be opened")
    };
    let (one, other) = (opened().await, opened().await);
    are_one(&one, &other).await;
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_said() {
    let Some(server) = Server::start("what_is_wrong_with_tls_is_said", &NO_CLIENTS).await else { return };
    let (url, ours) = (server.url(), &server.authority);
    let why = refused(&server.options(&url, &Authority::new("another authority"))).await;
    assert!(why.contains("authority is not trusted: name its file in `redis.tls.roots`"), "{why}");
    let why = refused(&server.options(&format!("rediss://127.0.0.1:{}", server.tls), ours)).await;
    assert!(why.contains("the server's certificate is for another host name"), "{why}");
    // What Redis makes of a handshake depends on the random bytes in it: an answer without TLS, or none.
    let why = refused(&server.options(&format!("rediss://localhost:{}", server.plain), ours)).await;
    assert!(why.contains("is it a port without TLS?"), "{why}");
    let why = refused(&server.options(&format!("redis://localhost:{}", server.tls), ours)).await;
    assert!(why.contains("is it a port with TLS? That is rediss://"), "{why}");
    let wrong = RedisOptions {
        password: Some(Bearer::Held(Secret::new("hunter3".into()))),
        ..server.options(&url, ours)
    };
    let why = refused(&wrong).await;
    assert!(why.contains("it refuses user or password: compare `redis.password`"), "{why}");
    let options = server.options(&url, ours);
    let redis = Redis::new(&options).expect("the roots are certificates");
    redis.connected(Duration::from_secs(20)).await.expect("it is right");
}

/// By a firewall, or by what stands in front of Redis.
#[tokio::test]
async fn a_tls_handshake_that_is_cut_off_is_said_to_be() {
    let Some(server) = Server::start("a_tls_handshake_that_is_cut_off_is_said_to_be", &NO_CLIENTS).await
    else {
        return;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("rediss://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        for n in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let _: std::io::Result<usize> = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
            if n % 2 == 0 {
                stream.set_zero_linger().expect("it is a socket");
            }
        }
    });
    for _ in 0..2 {
        let why = refused(&server.options(&url, &server.authority)).await;
        assert!(why.contains(": the server closed the connection during the TLS handshake: "), "{why}");
    }
}

/// As Redis is by default.
#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_told_from_others() {
    let name = "a_server_that_wants_a_client_certificate_is_told_from_others";
    let Some(server) = Server::start(name, &[]).await else { return };
    let why = refused(&server.options(&server.url(), &server.authority)).await;
    assert!(why.contains("it wants a client certificate"), "{why}");
}

/// The program, by its configuration: vault, limits and tokens over one connection with TLS.
#[tokio::test]
async fn vault_limits_and_tokens_go_over_tls() {
    let Some(server) = Server::start("vault_limits_and_tokens_go_over_tls", &NO_CLIENTS).await else {
        return;
    };
    let (logto, place) = (Logto::start().await, Place::new());
    let password = server.directory.path().join("password");
    std::fs::write(&password, "hunter2\n").expect("it can be written to");
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&password, owner).expect("it is ours");
    let file = |path: std::path::PathBuf| format!("{{ file = {} }}", quoted(path.display()));
    let proxy = place
        .builder(&logto)
        .set("redis.url", quoted(server.url()))
        .set("redis.username", quoted("claviger"))
        .set("redis.password", file(password))
        .set("redis.tls.roots", file(server.directory.path().join("roots.pem")))
        .set("redis.token_key", quoted(format!("{MARK}0123456789abcdef0123456789abcdef")))
        .set("vault.store", "{ redis = true }")
        .set("tenants.configured.quota", "{ requests = 1000, per = '10s', share = 0.7 }")
        .start()
        .await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    assert_eq!(server.redis.told(&["HEXISTS", "{claviger}:vault", "acme"]).await, "1");
    within("limits to be shared", async {
        while proxy.metric("claviger_redis_fallback").await > 0.5 {
            wait::pass(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(proxy.get("/t/acme/api/roles?page=1&page_size=1").await.status, 200);
    assert_eq!(proxy.get("/t/configured/api/roles?page=1&page_size=1").await.status, 200);
    assert!(proxy.metric("claviger_redis_leases{outcome=\"granted\"}").await >= 1.0);
    assert!(server.redis.told(&["KEYS", "{claviger}:token:*"]).await.starts_with("{claviger}:token:"));
    let plain = server.redis.told(&["CLIENT", "LIST"]).await;
    let ours = plain.lines().find(|line| line.contains("user=claviger")).expect("it is connected");
    assert!(ours.contains(&format!("laddr=127.0.0.1:{}", server.tls)), "{ours}");
}
