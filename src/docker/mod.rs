//! The Docker Engine API: calls, and the types of what comes back. Pure, opens nothing.

pub mod types;
