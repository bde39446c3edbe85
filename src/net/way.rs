//! The way to an endpoint: its certificates read, and its address where that is known without
//! asking. Connects nothing, and waits for nobody (but where a name can only be looked up by the C
//! library: see `resolve`).

use crate::error::Why;
use crate::net::talk::Way;
use crate::net::{Endpoint, Route, resolve, tls};

/// Reads what connecting needs. A name is left to be looked up on the way.
pub fn find(endpoint: &Endpoint) -> Result<Way, Why> {
    let addresses = match &endpoint.route {
        Route::Tcp { host, port } | Route::Tls { host, port, .. } => {
            resolve::known(host, *port)?.unwrap_or_default()
        }
        Route::Unix(_) | Route::Command(_) => Vec::new(),
    };
    let tls = match &endpoint.route {
        Route::Tls { tls, .. } => Some(tls::client_config(tls)?),
        Route::Unix(_) | Route::Tcp { .. } | Route::Command(_) => None,
    };
    Ok(Way { endpoint: endpoint.clone(), tls, addresses })
}
