//! `claviger healthcheck`: asks the running process's admin listener, for images without curl.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{config::Address, secret::Secret};

const PATIENCE: Duration = Duration::from_secs(2);
/// With an answer that waits for something: an issuer's keys, three seconds at most.
const LONG_PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer.
const MOST: u64 = 4 * 1024 * 1024;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Which probe.
    #[arg(long, default_value = "/livez", value_name = "PATH")]
    probe: String,
    /// The admin listener, such as 127.0.0.1:3601 or unix:/run/claviger/admin.sock; left out: as configured.
    #[arg(long, value_name = "ADDRESS", value_parser = parse)]
    address: Option<Address>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let address = match address(&args.sources, args.address.clone()) {
        Ok(address) => address,
        Err(exit) => return exit,
    };
    match ask(&address, "GET", &args.probe) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => ExitCode::SUCCESS,
        Ok(answer) => {
            super::fail(&format!("{address}{}: {}", args.probe, answer.lines().last().unwrap_or("no answer")))
        }
        Err(error) => super::fail(&format!("{address}: {error}; is `claviger serve` running?")),
    }
}

/// Where the running process's admin listener is.
pub(super) fn address(sources: &super::Sources, said: Option<Address>) -> Result<Address, ExitCode> {
    if let Some(address) = said {
        return Ok(address);
    }
    match super::load(&sources.paths).map(|loaded| loaded.config.listen.admin) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(super::fail("listen.admin is \"off\": there is nothing to ask")),
        // A bad edit of the file says nothing about the process, which goes on with the old one.
        Err(problems) => {
            let address =
                problems.admin.map_or(Address::Tcp(([127, 0, 0, 1], 3601).into()), |address| *address);
            eprintln!("claviger: the configuration is invalid now; asking {address}");
            Ok(address)
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Address, String> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Address::Unix(path.into())),
        None => {
            text.parse().map(Address::Tcp).map_err(|_| "write 127.0.0.1:3601, or unix: and a path".into())
        }
    }
}

/// A request to the admin listener.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) target: &'r str,
    /// `admin.token`
    pub(super) token: Option<&'r Secret>,
    /// JSON
    pub(super) body: Option<String>,
}

/// Its answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// The answer of the admin listener, head and body, to a request without a body.
pub(super) fn ask(address: &Address, method: &str, target: &str) -> io::Result<String> {
    exchange(address, &Request { method, target, token: None, body: None }, PATIENCE)
}

/// The answer of the admin listener.
///
/// # Errors
/// Those of the connection; `InvalidData` where it is not an answer.
pub(super) fn send(address: &Address, request: &Request<'_>) -> io::Result<Answer> {
    let answer = exchange(address, request, LONG_PATIENCE)?;
    let read = || {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned() })
    };
    read().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether what is sent to the address stays on this machine.
pub(super) fn is_on_this_machine(address: &Address) -> bool {
    match address {
        Address::Tcp(address) => reachable(*address).ip().is_loopback(),
        Address::Unix(_) => true,
    }
}

/// A wildcard address is one to listen on, not to connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn exchange(address: &Address, request: &Request<'_>, patience: Duration) -> io::Result<String> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            talk(stream, request)
        }
        Address::Unix(path) => {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            talk(stream, request)
        }
    }
}

fn talk(mut stream: impl Read + Write, request: &Request<'_>) -> io::Result<String> {
    let Request { method, target, token, body } = request;
    let body = body.as_deref().unwrap_or_default();
    let length = body.len();
    let mut message = Zeroizing::new(
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n")
            .into_bytes(),
    );
    if let Some(token) = token {
        message.extend_from_slice(b"Authorization: Bearer ");
        message.extend_from_slice(token.expose());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body.as_bytes());
    stream.write_all(&message)?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}
