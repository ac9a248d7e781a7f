//! What those of a lower class are owed while more urgent ones pass before them: a tenth of what passes is normal requests', a
//! twentieth batch's, so that neither starves, in the line for the quota and in the one for a place in flight alike. Pure.

use crate::config::Class;

/// Hundredths of what passes before them that are owed, by class.
const PARTS: [u32; 3] = [0, 10, 5];
/// A request, in hundredths.
const ONE: u32 = 100;
/// No more than for a few of them: what could not be paid is not owed for ever.
const MOST: u32 = 3 * ONE;

/// What is owed to each class.
#[derive(Debug, Default)]
pub(super) struct Owed([u32; 3]);

impl Owed {
    /// Hundredths that are owed to this class of what passes before it.
    pub(super) const fn part(class: Class) -> u32 {
        PARTS[class.index()]
    }

    /// One has passed, before all that wait of lower classes than `by`; `None`: before all that wait.
    pub(super) fn passed(&mut self, by: Option<Class>, waits: impl Fn(Class) -> bool) {
        for class in Class::ALL.into_iter().filter(|class| by.is_none_or(|by| *class > by) && waits(*class)) {
            let owed = &mut self.0[class.index()];
            *owed = (*owed + Self::part(class)).min(MOST);
        }
    }

    /// One of this class has had its turn.
    pub(super) fn paid(&mut self, class: Class) {
        let owed = &mut self.0[class.index()];
        *owed = owed.saturating_sub(ONE);
    }

    /// Whoever does not wait is owed nothing.
    pub(super) fn forgive(&mut self, class: Class) {
        self.0[class.index()] = 0;
    }

    /// Which class goes before the more urgent ones now.
    pub(super) fn due(&self, waits: impl Fn(Class) -> bool) -> Option<Class> {
        Class::ALL.into_iter().find(|class| self.0[class.index()] >= ONE && waits(*class))
    }

    /// Whether any does.
    pub(super) fn is_due(&self) -> bool {
        self.0.iter().any(|owed| *owed >= ONE)
    }
}
