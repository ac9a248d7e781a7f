//! The place of a request whose body is still coming: taken when the body has come, as Logto reads it whole before it turns
//! to its database. Until then the request counts against its caller, and holds up nobody else.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use super::{InFlight, InFlightGuard, UnreadGuard, Who};
use crate::limit::error::LimitError;

/// Waits for the place.
pub type Entering = Pin<Box<dyn Future<Output = Result<(), LimitError>> + Send>>;

/// A place that is there already, or will be.
#[derive(Debug, Clone)]
pub struct LatePlace(Arc<Mutex<Option<Now>>>);

#[derive(Debug)]
enum Now {
    Coming(UnreadGuard),
    Held(InFlightGuard),
}

impl LatePlace {
    /// Of a request whose body is in memory.
    pub(in crate::limit) fn held(place: InFlightGuard) -> Self {
        Self(Arc::new(Mutex::new(Some(Now::Held(place)))))
    }

    /// Of a request whose body is coming: the place is given back until then.
    pub(in crate::limit) fn later(place: InFlightGuard) -> Self {
        Self(Arc::new(Mutex::new(Some(Now::Coming(place.answered())))))
    }

    /// What waits for the place when the body has come; `None` where it is held. It keeps nothing once the request is gone.
    pub fn entering(&self) -> Option<Entering> {
        let (of, who): (Arc<InFlight>, Who) = match &*self.lock() {
            Some(Now::Coming(coming)) => (coming.of.clone(), coming.who),
            _ => return None,
        };
        let place = Arc::downgrade(&self.0);
        Some(Box::pin(async move {
            if let Some(place) = place.upgrade() {
                // No longer counted as coming, or those that come would wait for each other.
                let coming = place.lock().unwrap_or_else(PoisonError::into_inner).take();
                drop(coming);
            }
            let entered = of.enter(who).await?;
            if let Some(place) = place.upgrade() {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Now::Held(entered));
            }
            Ok(())
        }))
    }

    /// The answer has begun: the place is given back, and what is left counts against its caller.
    pub fn answered(self) -> Option<UnreadGuard> {
        let now = self.lock().take();
        now.map(|now| match now {
            Now::Coming(coming) => coming,
            Now::Held(place) => place.answered(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Now>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
