//! How a connection is made: by TCP, with TLS, or by a Unix socket, to the server that is to be asked. With Sentinels they are
//! asked first who the master is; in a cluster the node that has our keys says so itself. Passwords are read each time.

use std::{pin::Pin, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, Value,
    aio::{AsyncPushSender, MultiplexedConnection},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

use super::{
    bounded::Bounded,
    error::{RedisError, SENTINELS, not_admitted, plainly, said, shortened, unusable},
    trial::{self, Uses},
};
use crate::{
    config::{RedisAddress, RedisOptions},
    secret::SecretProvider,
};

/// Nodes of a cluster that are asked one after the other.
const MOST_NODES: usize = 5;

type Why = Arc<str>;

/// What is needed for a connection.
pub(super) struct Connect {
    options: RedisOptions,
    tls: Option<Arc<rustls::ClientConfig>>,
    password: Option<Arc<dyn SecretProvider>>,
    sentinel_password: Option<Arc<dyn SecretProvider>>,
    prefix: Box<str>,
    /// For what all that the user lacks is to be named.
    on_trial: Option<Uses>,
    /// A key of ours, of which a node of a cluster says whether it has it.
    key: String,
    /// Which of the addresses is asked first.
    first: usize,
}

/// A connection.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    /// What reads and writes; ends when the connection does.
    pub(super) driver: JoinHandle<()>,
    pub(super) server: RedisAddress,
}

/// Ends what reads and writes, unless it is taken over.
struct Driver(Option<JoinHandle<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Connect {
    pub(super) fn new(
        options: RedisOptions,
        tls: Option<Arc<rustls::ClientConfig>>,
        prefix: Box<str>,
        on_trial: Option<Uses>,
    ) -> Self {
        let provider = |of: &Option<crate::secret::Bearer>| {
            of.as_ref().map(|secret| secret.provider(options.connect_timeout))
        };
        let (password, sentinel_password) =
            (provider(&options.password), provider(&options.sentinel_password));
        let key = format!("{prefix}:vault");
        Self { tls, password, sentinel_password, prefix, on_trial, key, first: 0, options }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// To the first that can be had.
    pub(super) async fn connect(
        &mut self,
        push: impl AsyncPushSender + Clone,
    ) -> Result<Connected, RedisError> {
        let count = self.options.url.len();
        let mut last: RedisError = "no address".into();
        for n in 0..count {
            let index = (self.first + n) % count;
            let address = self.options.url[index].clone();
            match tokio::time::timeout(self.options.connect_timeout, self.by(&address, push.clone())).await {
                Ok(Ok(connected)) => {
                    self.first = index;
                    return Ok(connected);
                }
                Ok(Err(RedisError::Away(why))) => last = RedisError::Away(format!("{address}: {why}").into()),
                Ok(Err(why)) => last = why,
                Err(_) => {
                    let within = humantime::format_duration(self.options.connect_timeout);
                    let hint = if address.is_tls() {
                        ", to TLS: is it a port without TLS? That is redis://, not rediss://"
                    } else {
                        ""
                    };
                    last = RedisError::Away(format!("{address}: no answer within {within}{hint}").into());
                }
            }
        }
        Err(last)
    }

    /// To the server that this address leads to.
    async fn by(
        &self,
        address: &RedisAddress,
        push: impl AsyncPushSender + Clone,
    ) -> Result<Connected, RedisError> {
        let mut server = match &self.options.master {
            None => address.clone(),
            Some(master) => self.master(address, master).await?,
        };
        for _ in 0..MOST_NODES {
            let (connection, mut driver) =
                self.to(&server, self.password.as_ref(), Some(push.clone())).await?;
            match self.has_our_keys(&connection, &server).await? {
                None => {
                    let driver = driver.0.take().ok_or("no driver")?;
                    return Ok(Connected { connection, driver, server });
                }
                Some(elsewhere) => server = elsewhere,
            }
        }
        Err("the nodes of the cluster refer to each other".into())
    }

    /// Who is the master, by a Sentinel.
    async fn master(&self, sentinel: &RedisAddress, master: &str) -> Result<RedisAddress, Why> {
        let none: Option<fn(redis::PushInfo) -> Result<(), ()>> = None;
        let (mut connection, _driver) = self.to(sentinel, self.sentinel_password.as_ref(), none).await?;
        let ask = redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).to_owned();
        let answer: Option<(String, u16)> =
            ask.query_async(&mut connection).await.map_err(|error| match error.code() {
                Some("ERR") => {
                    "it is no Sentinel: with `redis.master` set, `redis.url` names Sentinels".into()
                }
                _ => said(&error),
            })?;
        let (host, port) =
            answer.ok_or_else(|| shortened(&format!("this Sentinel knows no master {master:?}")))?;
        Ok(match &self.options.url[0] {
            // The database is the master's.
            RedisAddress::Tcp { .. } => sentinel.at(&host, port),
            RedisAddress::Unix(_) => RedisAddress::Tcp { host, port, tls: false, database: 0 },
        })
    }

    /// Whether this server is the one that our keys are to be written to: `None`, or which one is.
    async fn has_our_keys(
        &self,
        connection: &MultiplexedConnection,
        server: &RedisAddress,
    ) -> Result<Option<RedisAddress>, RedisError> {
        let (mut connection, mut master) = (connection.clone(), None);
        // Whoever may not ask for the role learns it by the first write.
        if let Ok(Value::Array(role)) = connection.send_packed_command(&redis::cmd("ROLE")).await {
            let text = |at: usize| {
                role.get(at)
                    .and_then(|it| redis::from_redis_value::<String>(it.clone()).ok())
                    .unwrap_or_default()
            };
            if text(0) == "slave" {
                master = Some(format!("{}:{}", text(1), text(2)));
            }
            if master.is_some() && self.options.master.is_some() {
                return Err("this server is a replica, not yet the master".into());
            }
        }
        let ask = redis::cmd("EXISTS").arg(&self.key).to_owned();
        match connection.send_packed_command(&ask).await.and_then(Value::extract_error) {
            // A node of a cluster says better itself who has the keys.
            Ok(_) => match master {
                Some(master) => Err(RedisError::Away(shortened(&format!(
                    "it is a read-only replica of {master}: write the master's address into `redis.url`, or those of Sentinels, and set `redis.master`"
                )))),
                None => Ok(None),
            },
            Err(error) => match error.redirect_node() {
                Some((node, _)) => {
                    let (host, port) = node.rsplit_once(':').ok_or("a node without a port")?;
                    Ok(Some(server.at(host, port.parse().map_err(|_| "a node without a port")?)))
                }
                None => {
                    if let (RedisError::Permission(_), Some(uses)) = (RedisError::of(&error), self.on_trial) {
                        trial::tried(&connection, &self.prefix, uses, self.options.timeout).await?;
                    }
                    Err(unusable(&error, &self.key))
                }
            },
        }
    }

    /// To this server, with HELLO, AUTH and SELECT.
    async fn to(
        &self,
        server: &RedisAddress,
        password: Option<&Arc<dyn SecretProvider>>,
        push: Option<impl AsyncPushSender>,
    ) -> Result<(MultiplexedConnection, Driver), Why> {
        let mut info =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let RedisAddress::Tcp { database, .. } = server
            && push.is_some()
        {
            info = info.set_db((*database).into());
        }
        if let Some(password) = password {
            let read = password.read().await;
            let read = read.map_err(|error| shortened(&format!("the password cannot be read: {error}")))?;
            let text = std::str::from_utf8(read.secret.expose()).map_err(|_| "the password is not text")?;
            info = info.set_password(text);
            if let (Some(name), true) = (&self.options.username, push.is_some()) {
                info = info.set_username(name);
            }
        }
        let key = if push.is_some() { "redis.password" } else { SENTINELS };
        let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(self.options.timeout));
        if let Some(push) = push {
            config = config.set_push_sender(push);
        }
        let stream = self.dial(server).await?;
        let made =
            MultiplexedConnection::new_with_config(&info, Box::pin(Bounded::new(stream)), config).await;
        let (connection, driver) = made.map_err(|error| match server {
            // A server that gets no TLS where it wants some says nothing, and closes.
            RedisAddress::Tcp { tls: false, .. } if error.is_connection_dropped() => {
                "it closed the connection before it answered: is it a port with TLS? That is rediss://".into()
            }
            RedisAddress::Tcp { database, .. } => not_admitted(&error, key, *database),
            RedisAddress::Unix(_) => not_admitted(&error, key, 0),
        })?;
        Ok((connection, Driver(Some(tokio::spawn(driver)))))
    }

    async fn dial(&self, server: &RedisAddress) -> Result<Pin<Box<dyn Stream>>, Why> {
        let unreachable = |error: std::io::Error| -> Why {
            plainly(&error).map_or_else(|| shortened(&error.to_string()), Into::into)
        };
        let (host, port, tls) = match server {
            RedisAddress::Unix(path) => {
                return Ok(Box::pin(UnixStream::connect(path).await.map_err(unreachable)?));
            }
            RedisAddress::Tcp { host, port, tls, .. } => (host, *port, *tls),
        };
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        if !tls {
            return Ok(Box::pin(stream));
        }
        let config = self.tls.clone().ok_or("TLS is not set up")?;
        let name =
            ServerName::try_from(host.clone()).map_err(|_| "the host is no name that a certificate has")?;
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::pin(stream.map_err(std::io::Error::other).map_err(unreachable)?))
    }
}
