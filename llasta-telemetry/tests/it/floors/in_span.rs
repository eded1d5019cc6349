use std::io;

use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use llasta_telemetry::{Telemetry, context, in_span};

/// Runs it under a span of a recorder and gives the span it made.
fn under<R>(work: impl FnOnce() -> R) -> (R, CapturedSpan) {
    let seen = Recorder::new("shop");
    let outer = BuildContext::start_in(seen.telemetry(), 1, 1);
    let result = outer.in_scope(work);
    let span = seen
        .span("rag.retrieve_context")
        .expect("the function made a span");
    assert_eq!(span.parent_span_id, Some(outer.span_id().to_string()));
    (result, span)
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    // The context of this thread is current in the first poll, as in a request's handler.
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Doc comments and other attributes stay.
#[in_span(RetrieveContext::start(words.len(), 0.5))]
#[must_use]
pub fn count<'a, T: AsRef<str> + 'a>(words: &'a [T]) -> (usize, &'a str) {
    span.results_raw_count(words.len());
    assert_eq!(context::ids().span_id, span.span_id());
    (words.len(), words[0].as_ref())
}

#[test]
fn a_function_runs_inside_its_span_and_returns_what_it_would() {
    let ((count, first), span) = under(|| count(&["a", "b"]));
    assert_eq!((count, first), (2, "a"));
    assert_eq!(span.int("rag.top_k"), Some(2));
    assert_eq!(span.int("rag.results_raw_count"), Some(2));
    assert_eq!(span.status, "unset");
}

#[in_span(RetrieveContext::start(1, 0.5))]
fn early(stop: bool) -> u8 {
    if stop {
        return 1;
    }
    2
}

#[in_span(RetrieveContext::start(1, 0.5))]
fn nothing(log: &mut Vec<&str>) {
    log.push("ran");
}

#[in_span(RetrieveContext::start(1, 0.5))]
fn perhaps(text: &str) -> Result<impl Iterator<Item = &str>, io::Error> {
    Ok(text.split(' '))
}

#[in_span(RetrieveContext::start(1, 0.5))]
fn some_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ')
}

#[test]
fn any_shape_of_function_can_be_wrapped() {
    assert_eq!(under(|| early(true)).0, 1);
    assert_eq!(under(|| early(false)).0, 2);
    let mut log = Vec::new();
    under(|| nothing(&mut log));
    assert_eq!(log, ["ran"]);
    assert_eq!(under(|| some_words("a b").count()).0, 2);
    assert_eq!(under(|| perhaps("a b").map_or(0, Iterator::count)).0, 2);
}

#[in_span(RetrieveContext::start(1, 0.5))]
fn fallible(path: &str) -> io::Result<usize> {
    let text: usize = path.parse().map_err(io::Error::other)?;
    Ok(text)
}

#[test]
fn an_error_is_recorded_and_returned() {
    let (result, span) = under(|| fallible("7"));
    assert_eq!((result.unwrap(), span.status), (7, "unset"));
    let (result, span) = under(|| fallible("seven"));
    assert!(result.is_err());
    assert_eq!(span.status, "error");
    assert_eq!(span.text("error.type"), Some("Error"));
    assert_eq!(
        span.text("error.message"),
        Some("invalid digit found in string")
    );
}

struct Shelf {
    books: Vec<String>,
}

impl Shelf {
    #[in_span(RetrieveContext::start(self.books.len(), 0.5))]
    async fn add(&mut self, book: String) -> Result<&str, std::num::ParseIntError> {
        let before = context::ids();
        tokio::task::yield_now().await;
        assert_eq!(before, context::ids(), "the span is current in each poll");
        span.results_raw_count(1);
        let _year: i32 = book.parse()?;
        self.books.push(book);
        Ok(&self.books[0])
    }

    #[in_span(RetrieveContext::start(1, 0.5))]
    async fn later(&self) -> impl Fn() -> usize + '_ {
        tokio::task::yield_now().await;
        || self.books.len()
    }
}

#[test]
fn an_async_method_runs_inside_its_span_and_records_its_error() {
    let mut shelf = Shelf { books: vec![] };
    let (year, span) = under(|| block_on(shelf.add("1984".into())).map(str::to_owned));
    assert_eq!((year.unwrap(), span.status), ("1984".to_owned(), "unset"));
    assert_eq!(span.int("rag.results_raw_count"), Some(1));
    let (year, span) = under(|| block_on(shelf.add("Ulysses".into())).map(str::to_owned));
    assert!(year.is_err());
    assert_eq!(span.text("error.type"), Some("ParseIntError"));
    let (count, _) = under(|| block_on(shelf.later())());
    assert_eq!(count, 1);
}

#[in_span(RetrieveContext::start(1, 0.5))]
async fn receives(numbers: std::sync::mpsc::Receiver<u8>) -> u8 {
    let first = numbers.recv().unwrap_or_default();
    tokio::task::yield_now().await;
    first + numbers.recv().unwrap_or_default()
}

#[test]
fn what_an_async_function_owns_moves_into_its_future() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    // A receiver is Send but not Sync: the future is Send only if it owns it.
    let (sum, _) = under(|| block_on(is_send(receives(receiver))));
    assert_eq!(sum, 3);
}

#[in_span(BuildContext::start(chunks, 4000))]
fn says_the_end(chunks: i64) -> i64 {
    span.set_end(chunks, 10);
    chunks
}

#[in_span(BuildContext::start(chunks, 4000))]
async fn says_the_end_later(chunks: i64) -> Result<i64, io::Error> {
    tokio::task::yield_now().await;
    if chunks == 0 {
        return Err(io::Error::other("nothing to build from"));
    }
    span.set_end(chunks, 10);
    Ok(chunks)
}

#[test]
fn the_body_can_say_what_is_known_at_the_end() {
    let seen = Recorder::new("shop");
    let outer = RetrieveContext::start_in(seen.telemetry(), 1, 0.5);
    outer.in_scope(|| says_the_end(3));
    assert_eq!(seen.spans()[0].int("rag.chunks_sent"), Some(3));
    outer.in_scope(|| block_on(says_the_end_later(4)).unwrap());
    assert_eq!(seen.spans()[1].int("rag.chunks_sent"), Some(4));
    outer.in_scope(|| block_on(says_the_end_later(0)).unwrap_err());
    assert_eq!(seen.spans()[2].status, "error");
}

#[test]
fn without_a_telemetry_the_function_just_runs() {
    assert!(!Telemetry::current().is_enabled());
    assert_eq!(early(true), 1);
}
