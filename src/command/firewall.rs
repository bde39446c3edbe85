//! Whether the host's firewall would keep out the clients of sleeping containers, asked once. The
//! daemon asks in its own loop.

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::net::redirect::firewall;
use crate::net::redirect::nft::{Run, WITHIN};

/// What to run against it; `None`: nothing is in the way, or nobody may look.
pub fn advice(port: u16) -> Option<String> {
    let mut run = Run::start(&["nft", "list", "ruleset"], "").ok()?;
    let within = Timespec::try_from(WITHIN).ok()?;
    poll(&mut [PollFd::from_borrowed_fd(run.fd(), PollFlags::IN)], Some(&within)).ok()?;
    firewall::judge(&run.ended()?.ok()?, port)
}
