//! The Docker Engine API: calls, and the types of what comes back. Pure, opens nothing.

pub mod answer;
pub mod call;
pub mod change;
pub mod documents;
pub mod events;
pub mod image;
pub mod inspect;
mod lenient;
pub mod logs;
pub mod look;
pub mod network;
pub mod pull;
mod query;
pub mod split;
pub mod stats;
pub mod system;
pub mod time;
pub mod types;
pub mod version;
pub mod watch;

pub use query::Filters;
pub(crate) use query::encoded;
