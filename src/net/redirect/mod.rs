//! Rules that send a published port's new connections to drowse while its container is down, the
//! child that makes them, and what a host's own firewall says to that.

pub mod firewall;
pub mod nft;
pub mod occupied;
pub mod rules;
pub mod ruleset;
