//! Plain HTTP at a port that speaks TLS: answered, so that whoever wrote `http://` learns what to write instead of
//! seeing a connection end. Nothing of the request is read but its first byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// For writing the answer, and for the peer to read it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is taken and thrown away of the request, so that closing does not reset what the peer has yet to read.
const MOST: usize = 64 * 1024;

/// What it says.
pub const SPEAKS_TLS: &str = "this listener speaks TLS: write https:// in place of http://";
const BODY: &str = r#"{"type":"urn:claviger:error:bad_request","title":"Malformed request","status":400,"code":"claviger.bad_request","message":"this listener speaks TLS: write https:// in place of http://","detail":"this listener speaks TLS: write https:// in place of http://","side":"caller"}"#;

/// What a connection begins with.
pub(super) enum First {
    /// A letter, as a method of HTTP does and a TLS record (RFC 8446 section 5.1) never.
    Http,
    /// Anything else.
    Other,
    /// Nothing: the peer has closed it, or waits.
    Nothing,
}

/// Waits for the first byte, for `patience` at most.
pub(super) async fn first(stream: &TcpStream, patience: Duration) -> First {
    let mut first = [0];
    match timeout(patience, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0].is_ascii_alphabetic() => First::Http,
        Ok(Ok(1)) => First::Other,
        _ => First::Nothing,
    }
}

/// Says so, and closes.
pub(super) async fn answer(mut stream: TcpStream) {
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nproxy-status: claviger; error=http_request_error\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BODY}"
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let (mut taken, mut buffer) = (0, [0; 4096]);
        while taken < MOST {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => taken += read,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // A peer that went away has nothing to learn.
    let _: Result<std::io::Result<()>, _> = timeout(PATIENCE, said).await;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_says_it() {
        let body: serde_json::Value = serde_json::from_str(super::BODY).unwrap();
        assert_eq!(
            (&body["message"], &body["detail"]),
            (&super::SPEAKS_TLS.into(), &super::SPEAKS_TLS.into())
        );
    }
}
