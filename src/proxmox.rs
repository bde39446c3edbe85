//! The API of Proxmox VE, as far as LXC guests sleep and wake by it: calls, and the types of what
//! comes back. Pure, opens nothing.

pub mod answer;
pub mod call;
mod field;
pub mod notes;
pub mod rights;
pub mod task;
pub mod types;
pub mod watch;
