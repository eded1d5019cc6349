//! Why a command did not work, and with which exit status that ends.

use std::fmt::Display;

/// Why a command did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    /// Empty when it has been said already.
    pub(crate) message: String,
}

impl Failure {
    /// It failed: exit status 1.
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            status: 1,
            message: message.to_string(),
        }
    }

    /// A setting is wrong: exit status 2.
    pub(crate) fn setting(message: impl Display) -> Self {
        Self {
            status: 2,
            message: message.to_string(),
        }
    }

    /// It failed and has said so: exit status 1.
    pub(crate) fn said() -> Self {
        Self {
            status: 1,
            message: String::new(),
        }
    }

    /// What was tried, and why it failed, with everything below.
    pub(crate) fn of(what: impl Display, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(source) = cause {
            let said = source.to_string();
            if !message.contains(&said) {
                message.push_str(": ");
                message.push_str(&said);
            }
            cause = source.source();
        }
        Self::new(message)
    }
}

impl From<llasta_telemetry::Error> for Failure {
    fn from(error: llasta_telemetry::Error) -> Self {
        match error.kind() {
            llasta_telemetry::ErrorKind::Config => Self::setting(error),
            _ => Self::new(error),
        }
    }
}
