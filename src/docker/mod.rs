//! The Docker Engine API: calls, and the types of what comes back. Pure, opens nothing.

pub mod answer;
pub mod documents;
pub mod inspect;
mod lenient;
mod query;
mod time;
pub mod types;
pub mod version;

pub use query::Filters;
