//! Tasks: what an order becomes on its node, until it has ended. Asks nobody.

use crate::error::Why;
use crate::proxmox::answer;

/// The number of a task: `UPID:pve:00000186:0004C8B9:6B010BD0:vzshutdown:101:sleeper@pve!t1:`,
/// which is node, process, its start, the time, kind, guest and who gave the order
/// (`PVE::Tools::upid_decode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upid {
    text: String,
    node: String,
    kind: String,
}

impl Upid {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Upid> {
        let mut parts = text.strip_prefix("UPID:")?.split(':');
        let node = parts.next().filter(|node| !node.is_empty())?;
        let are_hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
        for _ in 0..3 {
            parts.next().filter(|part| are_hex(part))?;
        }
        let kind = parts.next().filter(|kind| !kind.is_empty())?;
        let rest = (parts.next()?, parts.next().filter(|user| !user.is_empty())?, parts.next()?);
        (rest.2.is_empty() && parts.next().is_none()).then(|| Upid {
            text: text.into(),
            node: node.into(),
            kind: kind.into(),
        })
    }

    /// As PVE wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The node that runs it.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether it only asks the high-availability manager (`hastart`, `hastop`): its end tells
    /// nothing of the guest.
    pub fn only_asks(&self) -> bool {
        self.kind.starts_with("ha")
    }
}

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// It has not ended.
    Running,
    /// It ended: what came of it.
    Ended(Result<(), Why>),
}

/// What the `exitstatus` of an ended task means. `WARNINGS: n` is a success
/// (`PVE::Tools::upid_status`).
pub fn outcome(exit: &str) -> Result<(), Why> {
    match exit {
        "OK" => Ok(()),
        _ if exit.starts_with("WARNINGS") => Ok(()),
        // How a task ends that was killed, or whose node was.
        "" | "unexpected status" => Err(Why::Broken("its task was ended from outside".into())),
        _ => Err(answer::meaning(exit).unwrap_or_else(|| Why::Failed(exit.to_owned()))),
    }
}
