//! The one task that keeps the connection: connects, looks now and then whether the other side still answers, and connects
//! again with growing pauses. Says in the log once that Redis is away, and once that it is back.

use std::{sync::Arc, time::Duration};

use redis::{
    PushInfo,
    aio::{AsyncPushSender, MultiplexedConnection},
};
use tokio::time::Instant;

use super::{
    connect::{Connect, Connected},
    error::{RedisError, said, unusable},
    state::State,
};

/// The pause after the first failure; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a connection is tried that nobody uses.
const LOOK: Duration = Duration::from_secs(5);

/// Until the task is aborted.
pub(super) async fn connected(mut connect: Connect, state: Arc<State>) {
    let (mut pause, mut is_away, mut before) = (FIRST_PAUSE, false, false);
    loop {
        let pushes = state.clone();
        let push = move |info: PushInfo| {
            pushes.pushed(&info);
            Ok::<(), ()>(())
        };
        let why = match begun(&mut connect, push, &state).await {
            Ok((connected, known)) => {
                if is_away {
                    tracing::info!(server = %connected.server, "Redis is back");
                } else if !before {
                    tracing::info!(server = %connected.server, "connected to Redis");
                }
                (is_away, before) = (false, true);
                let since = Instant::now();
                let why = until_lost(connected, known, &state, connect.timeout()).await;
                // One that is lost at once is tried ever more seldom.
                if since.elapsed() >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                why
            }
            Err(why) => why,
        };
        state.went(&why);
        if !is_away {
            tracing::warn!(reason = %why, remedy = why.remedy(), "Redis is away; connecting goes on");
            is_away = true;
        }
        // Replicas that lost it together do not come back together.
        let jitter = pause.mul_f64(fastrand::f64() * 0.5);
        tokio::time::sleep(pause - jitter).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Channels that a connection receives.
type Known = Vec<Box<str>>;

/// A connection that receives what somebody waits for.
async fn begun(
    connect: &mut Connect,
    push: impl AsyncPushSender + Clone,
    state: &State,
) -> Result<(Connected, Known), RedisError> {
    let (connected, mut known) = (connect.connect(push).await?, Known::new());
    match subscribe(&connected.connection, state, &mut known, connect.timeout()).await {
        Ok(()) => Ok((connected, known)),
        Err(why) => {
            connected.driver.abort();
            Err(why)
        }
    }
}

/// Lends the connection to everybody, until it is lost: why.
async fn until_lost(connected: Connected, mut known: Known, state: &State, timeout: Duration) -> RedisError {
    let Connected { connection, mut driver, server } = connected;
    state.came(connection.clone(), server);
    let why = loop {
        tokio::select! {
            _ = &mut driver => break "the connection was closed".into(),
            () = state.elsewhere.notified() => break state.why_elsewhere(),
            () = state.subscribed.notified() => {
                if let Err(why) = subscribe(&connection, state, &mut known, timeout).await {
                    break why;
                }
            }
            () = tokio::time::sleep(LOOK) => {
                let mut connection = connection.clone();
                let ping = redis::cmd("PING");
                let answer = tokio::time::timeout(timeout, connection.send_packed_command(&ping)).await;
                match answer {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => break said(&error).into(),
                    Err(_) => break "no answer".into(),
                }
            }
        }
    };
    driver.abort();
    why
}

/// To the channels that are not known yet.
async fn subscribe(
    connection: &MultiplexedConnection,
    state: &State,
    known: &mut Known,
    timeout: Duration,
) -> Result<(), RedisError> {
    for channel in state.channels() {
        if !known.contains(&channel) {
            let mut connection = connection.clone();
            let subscribing = tokio::time::timeout(timeout, connection.subscribe(&*channel)).await;
            match subscribing {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(unusable(&error, &format!("the channel {channel}"))),
                Err(_) => return Err("no answer".into()),
            }
            known.push(channel.clone());
        }
        state.begun(&channel);
    }
    Ok(())
}
