//! Texts that are nearly always the same: what one thread has seen last is shared, not copied.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use http::HeaderValue;
use opentelemetry::StringValue;

/// As many texts of a kind as one thread remembers.
const REMEMBERED: usize = 8;

/// As many span names as are kept for good. A program has as many templates as somebody wrote
/// into it; one that makes them up gets copies, not memory.
const NAMES: usize = 1024;

/// Header values are cut from a buffer of this size, which is used again when they are gone.
const BUFFER: usize = 2048;

#[derive(Default)]
struct Texts {
    known: Vec<Arc<str>>,
    next: usize,
}

impl Texts {
    const fn new() -> Self {
        Self {
            known: Vec::new(),
            next: 0,
        }
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        match self.known.iter().find(|known| ***known == *text) {
            Some(known) => known.clone(),
            None => self.remember(text),
        }
    }

    #[cold]
    fn remember(&mut self, text: &str) -> Arc<str> {
        let new: Arc<str> = text.into();
        if self.known.len() < REMEMBERED {
            self.known.push(new.clone());
        } else {
            self.known[self.next % REMEMBERED] = new.clone();
            self.next += 1;
        }
        new
    }
}

/// A method's word and a template.
type Named = (&'static str, &'static str);

thread_local! {
    static HOSTS: RefCell<Texts> = const { RefCell::new(Texts::new()) };
    static ADDRESSES: RefCell<Texts> = const { RefCell::new(Texts::new()) };
    static SPANS: RefCell<Vec<(Named, &'static str)>> = const { RefCell::new(Vec::new()) };
    static VALUES: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(BUFFER));
}

/// The name of a server.
pub(super) fn host(text: &str) -> StringValue {
    HOSTS.with_borrow_mut(|hosts| hosts.shared(text)).into()
}

/// An address that may well come again.
pub(super) fn address(text: &str) -> StringValue {
    ADDRESSES
        .with_borrow_mut(|addresses| addresses.shared(text))
        .into()
}

/// `METHOD template`.
pub(super) fn span_name(word: &'static str, template: &'static str) -> Cow<'static, str> {
    // Both are constants of the program: the same address is the same text.
    let same = |((method, path), _): &&(Named, &'static str)| {
        std::ptr::eq(*method, word) && std::ptr::eq(*path, template)
    };
    SPANS.with_borrow_mut(|spans| match spans.iter().find(same) {
        Some((_, name)) => Cow::Borrowed(*name),
        None => named(spans, (word, template)),
    })
}

#[cold]
fn named(spans: &mut Vec<(Named, &'static str)>, named: Named) -> Cow<'static, str> {
    static KEPT: Mutex<Option<HashMap<Named, &'static str>>> = Mutex::new(None);
    let name = format!("{} {}", named.0, named.1);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    let name = match kept.get(&named) {
        Some(name) => *name,
        None if kept.len() < NAMES => {
            let name: &'static str = Box::leak(name.into_boxed_str());
            kept.insert(named, name);
            name
        }
        None => return Cow::Owned(name),
    };
    if spans.len() == REMEMBERED {
        spans.remove(0);
    }
    spans.push((named, name));
    Cow::Borrowed(name)
}

/// The value of a header.
pub(super) fn header(text: &[u8]) -> Option<HeaderValue> {
    VALUES.with_borrow_mut(|values| {
        values.extend_from_slice(text);
        HeaderValue::from_maybe_shared(values.split().freeze()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_shared_and_memory_is_bounded() {
        let mut texts = Texts::default();
        let first = texts.shared("faiss-wrap");
        assert!(Arc::ptr_eq(&first, &texts.shared("faiss-wrap")));
        for number in 0..100 {
            assert_eq!(*texts.shared(&number.to_string()), *number.to_string());
        }
        assert_eq!(texts.known.len(), REMEMBERED);
    }

    #[test]
    fn span_names_are_kept_once_and_not_without_end() {
        let known = || span_name("GET", "/known/{id}");
        assert_eq!(known(), "GET /known/{id}");
        let Cow::Borrowed(first) = known() else {
            panic!("it is kept")
        };
        let other = std::thread::spawn(|| span_name("GET", "/known/{id}")).join();
        assert!(matches!(other.unwrap(), Cow::Borrowed(name) if std::ptr::eq(name, first)));
        for number in 0..2 * NAMES {
            let template: &'static str = Box::leak(format!("/{number}").into_boxed_str());
            assert_eq!(span_name("PUT", template), format!("PUT /{number}"));
        }
        SPANS.with_borrow(|spans| assert_eq!(spans.len(), REMEMBERED));
        assert_eq!(known(), "GET /known/{id}");
    }

    #[test]
    fn a_header_s_value_stays_what_it_was() {
        let values: Vec<_> = (0..200)
            .map(|number| header(format!("value {number}").as_bytes()).unwrap())
            .collect();
        for (number, value) in values.iter().enumerate() {
            assert_eq!(value, &format!("value {number}"));
        }
        assert!(header(b"a\nb").is_none());
        assert_eq!(header(b"after").unwrap(), "after");
    }
}
