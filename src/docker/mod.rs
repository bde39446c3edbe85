//! The Docker Engine API: calls, and the types of what comes back. Pure, opens nothing.

pub mod answer;
mod query;
pub mod types;
pub mod version;

pub use query::Filters;
