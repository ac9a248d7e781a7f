//! The one task that keeps the connection: connects, looks now and then whether the other side still answers, and connects
//! again with growing pauses. Says in the log once that Redis is away, and once that it is back.

use std::{sync::Arc, time::Duration};

use redis::{PushInfo, aio::MultiplexedConnection};

use super::{
    connect::{Connect, Connected},
    error::said,
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
        let why = match connect.connect(push).await {
            Ok(connected) => {
                pause = FIRST_PAUSE;
                if is_away {
                    tracing::info!(server = %connected.server, "Redis is back");
                } else if !before {
                    tracing::info!(server = %connected.server, "connected to Redis");
                }
                (is_away, before) = (false, true);
                until_lost(connected, &state, connect.timeout()).await
            }
            Err(why) => why,
        };
        state.went(&why);
        if !is_away {
            tracing::warn!(reason = %why, "Redis is away; connecting goes on");
            is_away = true;
        }
        // Replicas that lost it together do not come back together.
        let jitter = pause.mul_f64(fastrand::f64() * 0.5);
        tokio::time::sleep(pause - jitter).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Lends the connection to everybody, until it is lost: why.
async fn until_lost(connected: Connected, state: &State, timeout: Duration) -> Arc<str> {
    let Connected { connection, mut driver, server } = connected;
    let mut known: Vec<Box<str>> = Vec::new();
    if let Err(why) = subscribe(&connection, state, &mut known, timeout).await {
        driver.abort();
        return why;
    }
    state.came(connection.clone(), server);
    let why = loop {
        tokio::select! {
            _ = &mut driver => break "the connection was closed".into(),
            () = state.elsewhere.notified() => break "another server is the one to ask".into(),
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
                    Ok(Err(error)) => break said(&error),
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
    known: &mut Vec<Box<str>>,
    timeout: Duration,
) -> Result<(), Arc<str>> {
    for channel in state.channels() {
        if !known.contains(&channel) {
            let mut connection = connection.clone();
            let subscribing = tokio::time::timeout(timeout, connection.subscribe(&*channel)).await;
            match subscribing {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(said(&error)),
                Err(_) => return Err("no answer".into()),
            }
            known.push(channel.clone());
        }
        state.begun(&channel);
    }
    Ok(())
}
