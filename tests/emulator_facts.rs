//! Holds the emulator against what was measured on Logto.

use claviger::emulator::{Client, Effect, Emulator, Fault, ManagementRole, Options, Seed, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn raw(addr: std::net::SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn smoke() {
    let client = Client { id: "m2m".into(), secrets: vec!["s".into()], role: ManagementRole::Granted };
    let options = Options { seed: Seed::Demo { users: 5 }, clients: vec![client], ..Options::default() };
    let logto = Emulator::start(options).await.unwrap();
    let body = "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all&client_id=m2m&client_secret=s";
    let ask = format!(
        "POST /oidc/token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        logto.addr(),
        body.len()
    );
    let answer = raw(logto.addr(), &ask).await.unwrap();
    println!("{answer}");
    let token = answer.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let list = format!(
        "GET /api/users?page_size=2&x=1&x=2 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n",
        logto.addr()
    );
    println!("{}", raw(logto.addr(), &list).await.unwrap());
    for effect in [
        Effect::Reset,
        Effect::Close,
        Effect::Truncate { after: 20 },
        Effect::TruncateReset { after: 20 },
        Effect::Drip { bytes: 100, every_ms: 1 },
        Effect::CloseAfterAnswer,
        Effect::too_many(3),
    ] {
        logto.faults().add(Fault::new(Target::Api, effect.clone()).times(1));
        let list = list.replace(
            "Connection: close\r\n",
            if effect == Effect::CloseAfterAnswer { "" } else { "Connection: close\r\n" },
        );
        println!("{effect:?}: {:?}", raw(logto.addr(), &list).await);
    }
    println!("{:#?} {:?}", logto.recorded().last(), logto.surprises());
}
