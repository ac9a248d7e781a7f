//! Arrays and objects that are open where the redactor reads, and what of the catalog applies within them.

use crate::catalog::secrets::Place;

#[derive(Debug, Clone, Copy)]
pub(super) struct Container {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
}
