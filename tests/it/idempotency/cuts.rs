//! A thousand creations that break off at every byte, on either side, each repeated with its key: never two users. The repeats go to
//! the same process, or to another that shares keys with it (`stores/idempotency.rs`).

use std::collections::HashMap;

use super::{creation, until_answered};
use crate::support::{Cut, Cutter, Logto, Proxy, Request, soon};

/// Each by name.
async fn users(proxy: &Proxy) -> HashMap<String, usize> {
    let mut users = HashMap::new();
    for name in proxy.users("name").await {
        *users.entry(name).or_default() += 1;
    }
    users
}

/// A creation, and as its bytes.
fn made(name: &str) -> (Request, Vec<u8>) {
    let request = creation(name, &format!("\"key-of-{name}\""));
    let mut bytes = request.head();
    bytes.extend_from_slice(format!(r#"{{"name":"{name}"}}"#).as_bytes());
    (request, bytes)
}

async fn answer_length(proxy: &Proxy) -> usize {
    let (_, bytes) = made("measured");
    let mut client = proxy.connect().await;
    client.write(&bytes).await.expect("it is read");
    let answer = client.read_answer("POST").await.expect("it is answered");
    let head: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    "HTTP/1.1 200 OK\r\n\r\n".len() + head + answer.body.len()
}

#[tokio::test]
async fn b60_callers_that_leave_at_any_byte_get_one_user_each_when_they_come_back() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    callers_leave([&proxy; 2]).await;
}

/// From the first, at any byte, and come back to the second.
pub(crate) async fn callers_leave([proxy, other]: [&Proxy; 2]) {
    let answer = answer_length(proxy).await;
    let (_, bytes) = made("000-000");
    let mut made_in_all = 0;
    // Of the request, every byte; of the answer, every byte; each after as many as it has.
    for at in 0..bytes.len() + answer {
        let name = format!("{:03}-{:03}", at / 1000, at % 1000);
        let (request, bytes) = made(&name);
        let mut client = proxy.connect().await;
        client.write(&bytes[..at.min(bytes.len())]).await.expect("it is read");
        if at > bytes.len() {
            let mut read = 0;
            while read < at - bytes.len() {
                read += match client.read_more().await {
                    Ok(1..) => client.take_unread().len(),
                    _ => break,
                };
            }
        }
        drop(client);
        let answer = until_answered(other, &request).await;
        assert_eq!(answer.status, 200, "{at}: {}", answer.text());
        made_in_all += 1;
    }
    let users = users(proxy).await;
    let ours: Vec<_> = users.iter().filter(|(name, _)| name.contains('-')).collect();
    assert_eq!(ours.len(), made_in_all);
    assert!(ours.iter().all(|(_, count)| **count == 1), "{ours:?}");
    assert!(made_in_all > 1000, "{made_in_all}");
}

#[tokio::test]
async fn b60_an_upstream_that_breaks_off_at_any_byte_never_has_two_users() {
    let logto = Logto::start().await;
    let cutter = Cutter::to(&logto).await;
    let proxy = cutter.proxy(&logto).await;
    an_upstream_breaks_off(&logto, &cutter, [&proxy; 2]).await;
}

/// Requests of the first, which are repeated at the second.
pub(crate) async fn an_upstream_breaks_off(logto: &Logto, cutter: &Cutter, [proxy, other]: [&Proxy; 2]) {
    let request_length = 1400;
    let answer_length = answer_length(proxy).await;
    let mut outcomes: HashMap<String, usize> = HashMap::new();
    let cuts = (0..request_length).map(Cut::Request).chain((0..answer_length).map(Cut::Answer));
    for (at, cut) in cuts.enumerate() {
        let name = format!("{:03}-{:03}", at / 1000, at % 1000);
        let (request, _) = made(&name);
        cutter.plan(cut);
        let first = proxy.ask(&request).await;
        let again = until_answered(other, &request).await;
        let told = match (first.status, again.outcome()) {
            (200, (200, _)) => "answered".to_owned(),
            (502, (409, code)) if code.starts_with("claviger.idempotency_") => code,
            (502, (200, _)) => "sent again".to_owned(),
            other => panic!("{cut:?}: {other:?} {} {}", first.text(), again.text()),
        };
        if told == "claviger.idempotency_not_kept" {
            soon("it to have been carried out", || !logto.api_requests_seen().is_empty()).await;
        }
        *outcomes.entry(told).or_default() += 1;
    }
    let users = users(proxy).await;
    assert!(users.values().all(|count| *count == 1), "{users:?}");
    let ours = users.keys().filter(|name| name.contains('-')).count();
    // Where an answer or its status came, there is the user.
    let certain = outcomes["answered"] + outcomes["claviger.idempotency_not_kept"];
    assert!(ours >= certain, "{ours} users of {outcomes:?}");
    assert!(outcomes["claviger.idempotency_unknown"] > 100, "{outcomes:?}");
}
