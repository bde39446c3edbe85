//! Pipes through which the kernel moves bytes from socket to socket without showing them to us
//! (splice(2)). Lent to who has much to move, and few.

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// The room in a pipe; what one step moves at most.
pub const PIPE_BYTES: usize = 256 << 10;
/// Lent at once; who comes then copies.
const LENT: usize = 64;
/// Kept for the next who asks.
const KEPT: usize = 4;

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    /// Where bytes come out.
    pub out: OwnedFd,
    /// Where they go in.
    pub into: OwnedFd,
    /// How many are within.
    pub len: usize,
}

/// All pipes there are.
#[derive(Debug, Default)]
pub struct Pipes {
    free: Vec<Pipe>,
    lent: usize,
}

impl Pipes {
    /// An empty pipe, if there is one to be had.
    pub fn lend(&mut self) -> Option<Pipe> {
        if self.lent >= LENT {
            return None;
        }
        let pipe = self.free.pop().or_else(open)?;
        self.lent += 1;
        Some(pipe)
    }

    /// Takes one back; with something in it, it is of no more use.
    pub fn take_back(&mut self, pipe: Pipe) {
        self.lent -= 1;
        if pipe.len == 0 && self.free.len() < KEPT {
            self.free.push(pipe);
        }
    }
}

fn open() -> Option<Pipe> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    // A user with many pipes gets small ones (pipe(7)); they do as well, in more steps.
    let _ = fcntl_setpipe_size(&into, PIPE_BYTES);
    Some(Pipe { out, into, len: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_lent_and_a_soiled_one_is_not_lent_again() {
        let mut pipes = Pipes::default();
        let mut lent: Vec<_> = std::iter::from_fn(|| pipes.lend()).collect();
        assert_eq!(lent.len(), LENT);
        let mut soiled = lent.remove(0);
        soiled.len = 1;
        pipes.take_back(soiled);
        assert!(pipes.free.is_empty());
        lent.drain(..).for_each(|pipe| pipes.take_back(pipe));
        assert_eq!((pipes.free.len(), pipes.lent), (KEPT, 0));
    }
}
