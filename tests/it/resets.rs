//! Streams of HTTP/2 that their caller opens and resets without end (CVE-2023-44487), by a caller who is known: each costs its head
//! and no more, and the connection ends (behaviour 46).

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{
    support::{Logto, Proxy, pki::Authority, secure::Secure, within},
    tls::with_tls,
};

const KEY: &str = "CANARY-held-key-of-who-opens-and-resets";
/// Fewer than hyper allows before it looks at them.
const AT_A_TIME: u32 = 50;

// Kinds of frames (RFC 9113 section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request that is reset in the same breath.
fn reset(stream: u32) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/api/roles"),
        ("claviger-key", KEY),
    ];
    // Literals that no table takes (RFC 7541 section 6.2.2).
    let text = |text: &str| [&[u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat();
    let block: Vec<u8> =
        fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect();
    let cancel = 8_u32.to_be_bytes();
    [frame(HEADERS, 0b101, stream, &block), frame(RST_STREAM, 0, stream, &cancel)].concat()
}

/// The kind of the next frame; `None` at the end.
async fn next(stream: &mut TlsStream<TcpStream>) -> Option<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).expect("it is short")];
    stream.read_exact(&mut payload).await.ok()?;
    Some(head[3])
}

async fn requests(proxy: &Proxy) -> f64 {
    let metrics = proxy.admin("/metrics").await.text();
    let counts = metrics.lines().filter(|line| line.starts_with("claviger_requests_total"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn b46_streams_that_are_reset_at_once_cost_their_head_and_then_the_connection() {
    let logto = Logto::start().await;
    let authority = Authority::new("servers");
    let proxy = with_tls(&logto, &authority.server(&["localhost"]))
        .set("callers.hasty.identify", format!("{{ api_key = '{KEY}' }}"))
        .set("callers.hasty.policies", "['all']")
        .start()
        .await;
    let before = requests(&proxy).await;
    let mut stream = Secure::new(&authority, None).shake(&proxy, b"h2").await.expect("it shakes hands");
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, b"")].concat();
    stream.write_all(&preface).await.expect("it is read");
    let mut batches = 0;
    let ended = async {
        loop {
            let streams = (0..AT_A_TIME).map(|n| 2 * (batches * AT_A_TIME + n) + 1);
            let batch: Vec<u8> = streams.flat_map(reset).chain(frame(PING, 0, 0, b"are you?")).collect();
            batches += 1;
            if stream.write_all(&batch).await.is_err() {
                return;
            }
            loop {
                match next(&mut stream).await {
                    None | Some(GOAWAY) => return,
                    Some(PING) => break,
                    Some(_) => {}
                }
            }
        }
    };
    within("the connection to end", ended).await;
    assert_eq!(requests(&proxy).await, before, "none was begun");
}
