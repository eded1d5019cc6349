//! Texts that come with every request and are nearly always the same: user agents and hosts.
//!
//! They are known by their bytes, so a text that is known is neither checked nor parsed again.

use std::cell::RefCell;
use std::sync::Arc;

/// As many as one thread remembers of each kind. A client that changes its texts gets copies, not
/// memory.
const REMEMBERED: usize = 8;

/// Longer texts are cut: they come from outside.
const LONGEST: usize = 256;

/// Values by the bytes they were made from.
struct Memory<T> {
    known: Vec<(Box<[u8]>, T)>,
    next: usize,
}

impl<T: Clone> Memory<T> {
    const fn new() -> Self {
        Self {
            known: Vec::new(),
            next: 0,
        }
    }

    #[inline]
    fn get(&mut self, bytes: &[u8], make: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let known = self.known.iter().find(|(known, _)| **known == *bytes);
        match known {
            Some((_, value)) => Some(value.clone()),
            None => self.remember(bytes, make(bytes)?),
        }
    }

    #[cold]
    fn remember(&mut self, bytes: &[u8], value: T) -> Option<T> {
        // What is too long to be remembered is made anew each time.
        if bytes.len() <= LONGEST {
            let entry = (Box::from(bytes), value.clone());
            if self.known.len() < REMEMBERED {
                self.known.push(entry);
            } else {
                self.known[self.next % REMEMBERED] = entry;
                self.next += 1;
            }
        }
        Some(value)
    }
}

/// A host as the client wrote it.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) name: Arc<str>,
    pub(super) port: Option<u16>,
}

thread_local! {
    static TEXTS: RefCell<Memory<Arc<str>>> = const { RefCell::new(Memory::new()) };
    static HOSTS: RefCell<Memory<Host>> = const { RefCell::new(Memory::new()) };
}

/// The text, shared with earlier requests where this thread still knows it. `None` for bytes that
/// are no visible ASCII.
pub(super) fn text(bytes: &[u8]) -> Option<Arc<str>> {
    TEXTS.with_borrow_mut(|texts| texts.get(bytes, |bytes| Some(cut(visible(bytes)?).into())))
}

/// Host and port of an authority or a `Host` header.
pub(super) fn host(bytes: &[u8]) -> Option<Host> {
    HOSTS.with_borrow_mut(|hosts| hosts.get(bytes, |bytes| Some(parse(visible(bytes)?))))
}

/// As header values are read: visible ASCII and blanks.
fn visible(bytes: &[u8]) -> Option<&str> {
    let plain = bytes
        .iter()
        .all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\t');
    plain
        .then_some(bytes)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
}

fn cut(text: &str) -> &str {
    &text[..text.len().min(LONGEST)]
}

fn parse(authority: &str) -> Host {
    // What stands before an @ are credentials, which no span carries.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    // An IPv6 address stands in brackets, and only a colon after them begins a port.
    let colon = match host.rfind(']') {
        Some(bracket) => host[bracket..].find(':').map(|colon| bracket + colon),
        None => host.rfind(':'),
    };
    let (name, port) = match colon {
        Some(colon) => (&host[..colon], host[colon + 1..].parse().ok()),
        None => (host, None),
    };
    Host {
        name: cut(name).into(),
        port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_it_was_written() {
        let read = |text: &str| {
            let host = host(text.as_bytes()).unwrap();
            (host.name.to_string(), host.port)
        };
        assert_eq!(read("chatbot-rag"), ("chatbot-rag".to_owned(), None));
        assert_eq!(
            read("chatbot-rag:8080"),
            ("chatbot-rag".to_owned(), Some(8080))
        );
        assert_eq!(read("[::1]:9000"), ("[::1]".to_owned(), Some(9000)));
        assert_eq!(read("[::1]"), ("[::1]".to_owned(), None));
        assert_eq!(read("me:secret@host:80"), ("host".to_owned(), Some(80)));
        assert_eq!(read("host:port"), ("host".to_owned(), None));
        assert!(host(b"caf\xc3\xa9").is_none());
    }

    #[test]
    fn a_text_that_is_known_is_shared_and_memory_is_bounded() {
        let first = text(b"browser/1").unwrap();
        assert!(Arc::ptr_eq(&first, &text(b"browser/1").unwrap()));
        for number in 0..100 {
            text(format!("browser/{number}").as_bytes()).unwrap();
        }
        TEXTS.with_borrow(|texts| assert_eq!(texts.known.len(), REMEMBERED));
        let long = "x".repeat(1000);
        assert_eq!(text(long.as_bytes()).unwrap().len(), LONGEST);
        assert!(text(b"\x00").is_none());
    }
}
