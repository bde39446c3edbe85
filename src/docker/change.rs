//! What changed at an engine. Values only.

/// What changed, as `ps --watch` prints it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<C> {
    /// Was there when we first looked.
    Present(C),
    /// Differs from what was known; `at` (Unix, ns) is the engine's, if an event told.
    Changed {
        /// The engine's word for it, or the nearest.
        event: &'static str,
        /// When, by the engine's clock.
        at: Option<u64>,
        /// As it is now; for `removed`, as it was last.
        container: C,
    },
    /// The engine can't be reached: told once.
    Lost(String),
    /// It can again.
    Back,
}

impl<C> Change<C> {
    /// The same about something else.
    pub fn map<D>(self, to: impl FnOnce(C) -> D) -> Change<D> {
        match self {
            Change::Present(one) => Change::Present(to(one)),
            Change::Changed { event, at, container } => {
                Change::Changed { event, at, container: to(container) }
            }
            Change::Lost(why) => Change::Lost(why),
            Change::Back => Change::Back,
        }
    }
}
