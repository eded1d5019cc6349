//! Texts that come with every request and are nearly always the same: user agents and hosts.

use std::cell::RefCell;
use std::sync::Arc;

/// As many as one thread remembers. A client that changes its texts gets copies, not memory.
const REMEMBERED: usize = 8;

/// Longer texts are cut: they come from outside.
const LONGEST: usize = 256;

thread_local! {
    static TEXTS: RefCell<(Vec<Arc<str>>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

/// The text, shared with earlier requests where this thread still knows it.
pub(super) fn intern(text: &str) -> Arc<str> {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    TEXTS.with_borrow_mut(|(texts, next)| {
        if let Some(known) = texts.iter().find(|known| ***known == *text) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(text);
        if texts.len() < REMEMBERED {
            texts.push(new.clone());
        } else {
            texts[*next % REMEMBERED] = new.clone();
            *next += 1;
        }
        new
    })
}
