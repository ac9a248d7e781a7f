//! `claviger healthcheck`: asks the running process's admin listener, for images without curl.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use crate::config::Address;

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Which probe.
    #[arg(long, default_value = "/livez", value_name = "PATH")]
    probe: String,
    /// The admin listener; left out: as configured.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let address = match address(&args.sources, args.address) {
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
pub(super) fn address(sources: &super::Sources, said: Option<SocketAddr>) -> Result<Address, ExitCode> {
    let address = match said {
        Some(address) => Address::Tcp(address),
        None => match super::load(&sources.paths).map(|loaded| loaded.config.listen.admin) {
            Ok(Some(address)) => address,
            Ok(None) => return Err(super::fail("listen.admin is \"off\": there is nothing to ask")),
            // A bad edit of the file says nothing about the process, which goes on with the old one.
            Err(_) => {
                eprintln!("claviger: the configuration cannot be read now; asking at the default address");
                crate::config::Listen::default().admin.unwrap_or(Address::Tcp(([127, 0, 0, 1], 3601).into()))
            }
        },
    };
    Ok(address)
}

/// The answer of the admin listener to a request without a body.
pub(super) fn ask(address: &Address, method: &str, target: &str) -> io::Result<String> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, method, target)
        }
        Address::Unix(path) => {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, method, target)
        }
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

fn exchange(mut stream: impl Read + Write, method: &str, target: &str) -> io::Result<String> {
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}
