//! The way to an endpoint, found once: its name looked up, its certificates read. Blocks, so only
//! for the start and a reload; connects nothing.

use std::time::Instant;

use crate::error::Why;
use crate::net::stream::CONNECT_LIMIT;
use crate::net::talk::Way;
use crate::net::wait::Deadline;
use crate::net::{Endpoint, Route, resolve, tls};

/// Looks up and reads what connecting needs, within the connect limit and no later than `until`.
pub fn find(endpoint: &Endpoint, until: Instant) -> Result<Way, Why> {
    let deadline = Deadline::within(CONNECT_LIMIT, until, Instant::now());
    let addresses = match &endpoint.route {
        Route::Tcp { host, port } | Route::Tls { host, port, .. } => {
            resolve::addresses(host, *port, deadline)?
        }
        Route::Unix(_) | Route::Command(_) => Vec::new(),
    };
    let tls = match &endpoint.route {
        Route::Tls { tls, .. } => Some(tls::client_config(tls)?),
        Route::Unix(_) | Route::Tcp { .. } | Route::Command(_) => None,
    };
    Ok(Way { endpoint: endpoint.clone(), tls, addresses })
}
