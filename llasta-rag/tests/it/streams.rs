//! Streams mean the same wherever they are cut.

use llasta_rag::generate::{SseEvent, SseParser, pieces};
use proptest::collection::vec;
use proptest::prelude::*;

fn events(chunks: &[&[u8]]) -> Vec<SseEvent> {
    let mut parser = SseParser::default();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(parser.push(chunk).unwrap());
    }
    events.extend(parser.finish());
    events
}

/// Cuts a slice at the given places, each taken modulo what is left.
fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for cut in cuts {
        let (part, rest) = bytes.split_at(cut % (bytes.len() + 1));
        parts.push(part);
        bytes = rest;
    }
    parts.push(bytes);
    parts
}

proptest! {
    #[test]
    fn events_do_not_depend_on_where_the_bytes_are_cut(
        lines in vec("(data: |data:|: |event: |id: |)[a-zé🦀{}: ]{0,8}(\n|\r\n|\r|\n\n|\r\n\r\n)", 0..20),
        cuts in vec(0..1000_usize, 0..20),
    ) {
        let stream = lines.concat();
        let whole = events(&[stream.as_bytes()]);
        prop_assert_eq!(&events(&cut(stream.as_bytes(), &cuts)), &whole);
        let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(&events(&bytes), &whole);
    }

    #[test]
    fn data_comes_back_as_it_was_sent(data in vec("[a-zé🦀 ]{0,12}", 1..12), cuts in vec(0..1000_usize, 0..9)) {
        let sent: String = data.iter().map(|data| format!("data: {data}\r\n\r\n")).collect();
        let received = events(&cut(sent.as_bytes(), &cuts));
        prop_assert_eq!(received.into_iter().map(|event| event.data).collect::<Vec<_>>(), data);
    }

    #[test]
    fn tokens_put_together_are_the_text(text in "[a-zé_0-9.,🦀 \n]{0,60}") {
        let tokens: Vec<_> = pieces(&text).collect();
        let expected = if text.trim().is_empty() { "" } else { text.as_str() };
        prop_assert_eq!(tokens.concat(), expected);
    }
}
