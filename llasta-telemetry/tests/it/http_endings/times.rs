//! However a request ends, its span and its duration are those that the client saw.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use llasta_telemetry::schema::labels::Outcome;
use tokio::sync::Notify;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder};

use super::super::support::{Client, Protocol, Shop, Span, body_text, soon, stream_of};
use super::upgrades::{introduced, upgrade};
use super::{Note, data, goods, once};

/// How far the client's clock and the span may be apart when nothing else is on the machine.
const CLOSE: Duration = Duration::from_millis(1);

/// How often the two may be further apart because the machine was busy elsewhere.
const ATTEMPTS: usize = 50;

/// How long a request lasts at least, so that an end at the wrong place shows.
const WHILE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Complete,
    Streamed,
    BodyError,
    GoneBeforeHead,
    GoneMidStream,
    Panic,
    TimedOutInside,
    TimedOutOutside,
    Upgrade,
}

/// What the client saw.
struct Seen {
    /// Just before it sent the request.
    sent: SystemTime,
    /// When it had the last byte or the error, or left.
    left: SystemTime,
    /// No span may end before: the service or the client had not come to the end.
    not_before: SystemTime,
}

async fn gateway_timeout(_: BoxError) -> StatusCode {
    StatusCode::GATEWAY_TIMEOUT
}

impl Ending {
    const ALL: [Self; 9] = [
        Self::Complete,
        Self::Streamed,
        Self::BodyError,
        Self::GoneBeforeHead,
        Self::GoneMidStream,
        Self::Panic,
        Self::TimedOutInside,
        Self::TimedOutOutside,
        Self::Upgrade,
    ];

    fn outcome(self) -> Outcome {
        match self {
            Self::Complete | Self::Streamed | Self::Upgrade => Outcome::Success,
            Self::GoneBeforeHead | Self::GoneMidStream => Outcome::Cancelled,
            _ => Outcome::Error,
        }
    }

    /// Whether the client knows of the end before the service does.
    fn is_the_client_s(self) -> bool {
        self.outcome() == Outcome::Cancelled
    }

    /// Lets one request end so.
    async fn play(self, protocol: Protocol, shop: &Shop) -> Seen {
        match self {
            Self::Complete | Self::Panic => self.handled(protocol, shop).await,
            Self::Streamed | Self::BodyError | Self::GoneMidStream => {
                self.streamed(protocol, shop).await
            }
            Self::GoneBeforeHead => gone_before_head(protocol, shop).await,
            Self::TimedOutInside | Self::TimedOutOutside => self.timed_out(protocol, shop).await,
            Self::Upgrade => {
                let note = Note::default();
                let mut client = introduced(protocol, shop, &note).await;
                let sent = SystemTime::now();
                drop(upgrade(&mut client, protocol).await);
                let left = SystemTime::now();
                Seen {
                    sent,
                    left,
                    not_before: note.taken(),
                }
            }
        }
    }

    /// The handler does it all.
    async fn handled(self, protocol: Protocol, shop: &Shop) -> Seen {
        let note = Note::default();
        let handler = note.clone();
        let app = goods(move || {
            let note = handler.clone();
            async move {
                tokio::time::sleep(WHILE).await;
                note.now();
                if self == Self::Panic {
                    panic!("a handler that panics on purpose");
                }
                "done".into_response()
            }
        });
        let mut client = shop.client(protocol, app).await;
        let sent = SystemTime::now();
        let answer = client.get("/it").await;
        assert_eq!(answer.is_err(), self == Self::Panic);
        if let Ok(response) = answer {
            body_text(response.into_body()).await.unwrap();
        }
        Seen {
            sent,
            left: SystemTime::now(),
            not_before: note.taken(),
        }
    }

    /// The test sends the answer's frames.
    async fn streamed(self, protocol: Protocol, shop: &Shop) -> Seen {
        let (send, body) = stream_of();
        let mut client = shop.client(protocol, once(body)).await;
        send.send(data("half")).unwrap();
        let sent = SystemTime::now();
        let mut body = client.get("/it").await.unwrap().into_body();
        soon("a frame", body.frame()).await.unwrap().unwrap();
        tokio::time::sleep(WHILE).await;
        let not_before = SystemTime::now();
        if self == Self::GoneMidStream {
            drop((client, body));
            let left = SystemTime::now();
            // The service has more to say.
            std::mem::forget(send);
            return Seen {
                sent,
                left,
                not_before,
            };
        }
        if self == Self::BodyError {
            send.send(Err("the disk is on fire".into())).unwrap();
        }
        drop(send);
        let read = body_text(body).await;
        assert_eq!(read.is_err(), self == Self::BodyError);
        Seen {
            sent,
            left: SystemTime::now(),
            not_before,
        }
    }

    async fn timed_out(self, protocol: Protocol, shop: &Shop) -> Seen {
        let layers = ServiceBuilder::new().layer(HandleErrorLayer::new(gateway_timeout));
        let timeout = TimeoutLayer::new(WHILE);
        let layer = shop.telemetry.layer();
        let waits = goods(std::future::pending);
        let app: Router = if self == Self::TimedOutInside {
            waits.layer(layers.layer(layer).layer(timeout))
        } else {
            waits.layer(layers.layer(timeout).layer(layer.outer_timeout(WHILE)))
        };
        let mut client = Client::connect(protocol, app).await;
        let sent = SystemTime::now();
        let response = client.get("/it").await.unwrap();
        assert_eq!(response.status(), 504);
        body_text(response.into_body()).await.unwrap();
        Seen {
            sent,
            left: SystemTime::now(),
            not_before: sent + WHILE,
        }
    }
}

async fn gone_before_head(protocol: Protocol, shop: &Shop) -> Seen {
    let arrived = Arc::new(Notify::new());
    let handler = arrived.clone();
    let app = goods(move || {
        handler.notify_one();
        std::future::pending::<Response>()
    });
    let mut client = shop.client(protocol, app).await;
    let sent = SystemTime::now();
    let request = tokio::spawn(async move { client.get("/it").await.map(|_| ()) });
    soon("the handler's start", arrived.notified()).await;
    tokio::time::sleep(WHILE).await;
    let not_before = SystemTime::now();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    Seen {
        sent,
        left: SystemTime::now(),
        not_before,
    }
}

fn nanos(at: SystemTime) -> i128 {
    at.duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128
}

/// Plays one ending until span and client agree: a busy machine may come between any two readings
/// of a clock, but not each time. `Shop::settled` checks what no load can change: one count, nothing
/// in flight, and the histogram's duration is the span's.
async fn agrees(ending: Ending, protocol: Protocol) {
    let mut apart = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut shop = Shop::open();
        let seen = ending.play(protocol, &shop).await;
        let settled = shop.settled(Some("/it"), ending.outcome()).await;
        shop.close().await;
        match compare(ending, &seen, &settled.span) {
            Ok(()) => return,
            Err(why) => apart.push(why),
        }
    }
    panic!("{ending:?} {protocol:?}: span and client never agreed: {apart:#?}");
}

fn compare(ending: Ending, seen: &Seen, span: &Span) -> Result<(), String> {
    let (start, end) = (
        i128::from(span.proto.start_time_unix_nano),
        i128::from(span.proto.end_time_unix_nano),
    );
    let [sent, not_before, left] = [seen.sent, seen.not_before, seen.left].map(nanos);
    let close = CLOSE.as_nanos() as i128;
    let micros = |nanos: i128| nanos / 1_000;
    if start + close < sent {
        return Err(format!(
            "began {} µs before it was sent",
            micros(sent - start)
        ));
    }
    if end + close < not_before {
        return Err(format!("ended {} µs early", micros(not_before - end)));
    }
    if !ending.is_the_client_s() && end > left + close {
        return Err(format!(
            "ended {} µs after the client saw it",
            micros(end - left)
        ));
    }
    let difference = ((end - start) - (left - sent)).abs();
    if difference > close {
        return Err(format!("{} µs apart", micros(difference)));
    }
    Ok(())
}

macro_rules! endings {
    ($($name:ident: $protocol:ident;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                for ending in Ending::ALL {
                    agrees(ending, Protocol::$protocol).await;
                }
            }
        )*
    };
}

endings! {
    every_ending_lasts_as_long_as_the_caller_sees_in_process: InProcess;
    every_ending_lasts_as_long_as_the_client_sees_over_http_1: Http1;
    every_ending_lasts_as_long_as_the_client_sees_over_http_2: Http2;
}
