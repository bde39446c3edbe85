//! What a visitor begins with, byte by byte: the head of a request, or something else. Pure: the
//! bytes are kept for whoever answers, and where one request ends is no question of ours.

use crate::http::head::{HEAD_LIMIT, Look, Opening};
use crate::net::door::{Request, Said};

/// The first bytes of one visitor.
#[derive(Debug, Default)]
pub struct Greeting {
    /// All that came, in order.
    pub bytes: Vec<u8>,
    look: Look,
}

impl Greeting {
    /// How many bytes it takes at most from now on.
    pub fn room(&self) -> usize {
        HEAD_LIMIT - self.bytes.len().min(HEAD_LIMIT)
    }

    /// Adds what came; at most [`room`](Greeting::room). Returns what was said when that is known,
    /// and is not to be asked again then.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<Said> {
        self.bytes.extend_from_slice(bytes);
        match self.look.at(&self.bytes) {
            Opening::NeedMore => None,
            Opening::Http(head) => Some(Said::Http(Request {
                method: head.method.to_owned(),
                path: head.path.to_owned(),
                accepts_html: head.accepts_html,
                upgrade: head.upgrade,
            })),
            Opening::Bad(fault) => Some(Said::Bad(fault.status())),
            Opening::Other => Some(Said::Other),
        }
    }

    /// What was said when there was time enough.
    pub fn late(&self) -> Said {
        if self.bytes.is_empty() { Said::Silent } else { Said::Slow }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Said {
        let (method, path) = (method.to_owned(), path.to_owned());
        Said::Http(Request { method, path, accepts_html: false, upgrade: false })
    }

    #[test]
    fn a_request_is_heard_at_every_split() {
        let text = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\nrest";
        let head = text.len() - "rest".len();
        for at in 0..text.len() {
            let mut greeting = Greeting::default();
            let (first, second) = text.split_at(at);
            let said = greeting.hear(first);
            let said = if at < head { said.or(greeting.hear(second)) } else { said };
            assert_eq!(said, Some(request("GET", "/a")), "split at {at}");
        }
        let mut greeting = Greeting::default();
        for byte in &text[..head - 1] {
            assert_eq!(greeting.hear(&[*byte]), None);
        }
        assert_eq!(greeting.hear(b"\n"), Some(request("GET", "/a")));
        assert_eq!(greeting.bytes, text[..head]);
    }

    #[test]
    fn another_protocol_is_told_as_soon_as_it_shows() {
        assert_eq!(Greeting::default().hear(b"\x16\x03\x01"), Some(Said::Other));
        assert_eq!(Greeting::default().hear(b"SSH-2.0-x\r\n"), Some(Said::Other));
    }

    #[test]
    fn an_endless_head_ends_at_the_limit() {
        let mut greeting = Greeting::default();
        assert_eq!(greeting.hear(b"GET / HTTP/1.1\r\n"), None);
        while greeting.room() > 10 {
            assert_eq!(greeting.hear(b"A: b\r\nC: d"), None, "{}", greeting.room());
        }
        let last = vec![b'x'; greeting.room()];
        assert_eq!(greeting.hear(&last), Some(Said::Bad(431)));
        assert_eq!((greeting.room(), greeting.bytes.len()), (0, HEAD_LIMIT));
    }

    #[test]
    fn who_is_late_was_slow_or_silent() {
        let mut greeting = Greeting::default();
        assert_eq!(greeting.late(), Said::Silent);
        greeting.hear(b"GET /");
        assert_eq!(greeting.late(), Said::Slow);
    }

    #[test]
    fn shapes_that_smuggle_are_refused() {
        let both = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Greeting::default().hear(both), Some(Said::Bad(400)));
    }
}
