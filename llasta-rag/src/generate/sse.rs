//! Server-sent events out of bytes that may be cut anywhere.
//!
//! Follows the WHATWG's HTML standard, section 9.2.6: lines end in CR LF, LF or CR; a blank line ends
//! an event; data lines of one event are joined by line feeds; lines that begin with a colon are
//! comments. Different from it: an event that the end of the stream cuts off before its blank line is
//! given by [`SseParser::finish`] instead of being discarded, since servers exist that leave it out.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type, where one is given.
    pub event: Option<String>,
    /// Its data.
    pub data: String,
}

impl SseEvent {
    /// Whether this is OpenAI's mark for the end of a stream.
    pub fn is_done(&self) -> bool {
        self.data.trim() == "[DONE]"
    }
}

/// Why a stream cannot be read further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// An event that would take too much memory.
    #[error("a server-sent event is longer than {limit} bytes: the server does not send events")]
    TooLong {
        /// The most bytes an event may have.
        limit: usize,
    },
}

/// Collects bytes and gives out the events that are complete.
#[derive(Clone, Debug)]
pub struct SseParser {
    limit: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    event: Option<String>,
    has_data: bool,
    /// Whether the last byte was a CR, so that an LF would belong to it.
    after_cr: bool,
    at_start: bool,
}

impl SseParser {
    /// The most bytes of one event, unless another limit is given.
    pub const DEFAULT_LIMIT: usize = 8 * 1024 * 1024;

    /// A parser that refuses events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            event: None,
            has_data: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Takes the next bytes and returns the events they complete.
    ///
    /// # Errors
    ///
    /// [`SseError::TooLong`]; what follows cannot be made sense of then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<SseEvent>, SseError> {
        let mut events = Vec::new();
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + self.data.len() + part.len() > self.limit {
                return Err(SseError::TooLong { limit: self.limit });
            }
            self.line.extend_from_slice(part);
            if let Some((&end, rest)) = rest.split_first() {
                self.after_cr = end == b'\r';
                events.extend(self.end_line());
                bytes = rest;
            } else {
                bytes = rest;
            }
        }
        Ok(events)
    }

    /// The event that the end of the stream completes, if one is begun.
    pub fn finish(mut self) -> Option<SseEvent> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.end_event()
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.event = Some(String::from_utf8_lossy(value).into_owned()),
            // Comments, `id` and `retry`: nothing here reconnects.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        let event = self.event.take();
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then(|| SseEvent {
            event,
            data: String::from_utf8_lossy(&data).into_owned(),
        })
    }
}

impl Default for SseParser {
    fn default() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(stream: &str) -> Vec<String> {
        let mut parser = SseParser::default();
        let mut events = parser.push(stream.as_bytes()).unwrap();
        events.extend(parser.finish());
        events.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        assert_eq!(
            data("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n"),
            ["a", "b", "c", "d"]
        );
    }

    #[test]
    fn a_line_end_of_two_bytes_is_one_line_end_even_when_cut() {
        assert_eq!(data("data: a\r\ndata: b\r\n\r\n"), ["a\nb"]);
        let mut parser = SseParser::default();
        assert!(parser.push(b"data: a\r").unwrap().is_empty());
        assert!(parser.push(b"\ndata: b\r").unwrap().is_empty());
        assert_eq!(parser.push(b"\n\r").unwrap()[0].data, "a\nb");
    }

    #[test]
    fn data_lines_are_joined_and_one_space_is_dropped() {
        assert_eq!(data("data: a\ndata:  b\ndata:c\ndata\n\n"), ["a\n b\nc\n"]);
    }

    #[test]
    fn comments_other_fields_and_events_without_data_give_nothing() {
        assert_eq!(
            data("\u{feff}: ping\n\nid: 1\nretry: 5\n\nevent: x\n\ndata: y\n\n"),
            ["y"]
        );
    }

    #[test]
    fn the_type_belongs_to_its_event_only() {
        let events = SseParser::default()
            .push(b"event: error\ndata: 1\n\ndata: 2\n\n")
            .unwrap();
        assert_eq!(events[0].event.as_deref(), Some("error"));
        assert_eq!(events[1].event, None);
    }

    #[test]
    fn an_event_cut_off_by_the_end_is_not_lost() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert!(
            SseEvent {
                event: None,
                data: "[DONE]".to_owned()
            }
            .is_done()
        );
    }

    #[test]
    fn an_endless_line_and_an_endless_event_are_refused() {
        let mut parser = SseParser::with_limit(10);
        parser.push(b"data: 1234").unwrap();
        assert!(matches!(
            parser.push(b"5"),
            Err(SseError::TooLong { limit: 10 })
        ));
        let mut parser = SseParser::with_limit(10);
        parser.push(b"data: 12\ndata: 3\n").unwrap();
        assert!(parser.push(b"data: 4567\n").is_err());
    }
}
