//! Requests that wait for something before anybody knows whose they are: for the form of a token request, or for the
//! keys of an issuer. Bounded in all and for each address, so that what strangers can have held is bounded too. Whoever
//! is over the bound is refused at once: waiting would be what is bounded here.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use super::error::LimitError;

/// How many there are, and may be.
#[derive(Debug)]
pub struct Unauthenticated {
    most: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    of_peers: HashMap<IpAddr, usize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Waiting {
    peer: Option<IpAddr>,
    among: Arc<Unauthenticated>,
}

impl Unauthenticated {
    /// At most so many; a quarter of them from one address. Peers without an address (loopback, Unix sockets) share in all.
    pub fn new(most: usize) -> Self {
        Self { most, now: Mutex::default() }
    }

    /// One more.
    ///
    /// # Errors
    /// [`LimitError::Unauthenticated`]: there are too many.
    pub fn enter(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Waiting, LimitError> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = peer.and_then(|peer| now.of_peers.get(&peer)).copied().unwrap_or_default();
        if now.all >= self.most || of_peer >= self.most.div_ceil(4) {
            return Err(LimitError::Unauthenticated);
        }
        now.all += 1;
        if let Some(peer) = peer {
            *now.of_peers.entry(peer).or_default() += 1;
        }
        Ok(Waiting { peer, among: self.clone() })
    }

    /// What `future` comes to. Only where that is not at once it is one of those that wait.
    ///
    /// # Errors
    /// [`LimitError::Unauthenticated`]: there are too many.
    pub async fn wait<F>(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
        mut future: F,
    ) -> Result<F::Output, LimitError>
    where
        F: Future + Unpin,
    {
        match std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                let _waiting = self.enter(peer)?;
                Ok(future.await)
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut now = self.among.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.all -= 1;
        if let Some(peer) = self.peer
            && let Some(of_peer) = now.of_peers.get_mut(&peer)
        {
            *of_peer -= 1;
            if *of_peer == 0 {
                now.of_peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b29_bounded_in_all_and_for_each_address_and_given_back() {
        let all = Arc::new(Unauthenticated::new(8));
        let peer = |n| Some(IpAddr::from([192, 0, 2, n]));
        let mut held: Vec<_> = (0..2).map(|_| all.enter(peer(1)).unwrap()).collect();
        assert_eq!(all.enter(peer(1)).unwrap_err(), LimitError::Unauthenticated);
        held.extend((0..6).map(|_| all.enter(None).unwrap()));
        assert!(all.enter(None).is_err() && all.enter(peer(2)).is_err());
        held.remove(0);
        held.push(all.enter(peer(2)).unwrap());
        drop(held);
        let now = all.now.lock().unwrap();
        assert_eq!((now.all, now.of_peers.len()), (0, 0));
    }
}
