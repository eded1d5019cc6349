//! `llasta check`: what running services emit, compared with a schema, from outside.
//!
//! `sources` takes in what they say, `compare` says what differs and whom it concerns, `report`
//! holds both, and `text` and `junit` write it.

pub(super) mod args;
mod compare;
mod junit;
mod report;
mod sources;
mod text;

use std::path::Path;
use std::time::{Duration, Instant};

use llasta_telemetry::testing::{Evidence, OtlpReceiver};

use self::args::{CheckArgs, Format};
use self::report::{Report, Seen};
use self::sources::{Logs, Scraper};
use super::failure::Failure;
use super::schema;

/// Without an end of its own a check waits until it is interrupted.
const FOREVER: Duration = Duration::MAX;

pub(super) async fn run(arguments: &CheckArgs) -> Result<(), Failure> {
    if arguments.no_otlp && arguments.metrics.is_empty() && arguments.logs.is_empty() {
        return Err(Failure::setting(
            "there is nothing to check: leave --no-otlp out, or name a --metrics page or a --logs file",
        ));
    }
    let schema = if arguments.schema.is_empty() {
        llasta_rag::schema::all()
    } else {
        schema::merged(&arguments.schema)?
    };
    let began = Instant::now();
    // Whoever reads that it listens may interrupt it.
    let interrupted =
        interrupted().map_err(|error| Failure::of("signals cannot be listened for", &error))?;
    let mut receiver = receiver(arguments).await?;
    let logs = Logs::open(&arguments.logs)?;
    let scraper = Scraper::new(&arguments.metrics)?;
    scraper.say_what_cannot_be_read().await;
    eprintln!("{}", until(arguments));

    tokio::select! {
        () = interrupted => {}
        () = tokio::time::sleep(arguments.duration.unwrap_or(FOREVER)) => {}
        () = enough(receiver.as_ref(), arguments.until_spans) => {}
        // Nothing more can come.
        () = logs.ended(), if receiver.is_none() => {}
    }

    // First the pages, while the services are there; who is still sending gets its answer.
    let mut findings = Vec::new();
    let pages = scraper.scrape(&mut findings).await;
    let mut seen = Seen::new(began.elapsed());
    let mut evidence = Evidence::new();
    if let Some(receiver) = &mut receiver {
        receiver.close().await;
        evidence = receiver.take_evidence();
        seen.otlp(receiver);
        findings.extend(sources::of_receiver(receiver));
    }
    evidence = pages.into_iter().fold(evidence, Evidence::page);
    evidence = logs.read(evidence, &mut seen, &mut findings);
    sources::join_pages(&mut evidence);
    seen.evidence(&schema, &evidence);

    let mut placed = compare::findings(&schema, &evidence, arguments.names);
    placed.extend(findings.into_iter().map(compare::Placed::nowhere));
    placed.retain(|placed| is_asked_for(placed, arguments));
    let forwarded = receiver.as_ref().map(OtlpReceiver::forwarded);
    let report = Report::new(seen, placed, arguments, forwarded.unwrap_or_default());
    if let Some(lost) = report.lost() {
        eprintln!("{lost}");
    }
    write(&report, arguments.format, arguments.output.as_deref())?;
    if report.fails() {
        return Err(Failure::said());
    }
    Ok(())
}

async fn receiver(arguments: &CheckArgs) -> Result<Option<OtlpReceiver>, Failure> {
    if arguments.no_otlp {
        return Ok(None);
    }
    let address = &arguments.otlp;
    let mut receiver = OtlpReceiver::bind(address).await.map_err(|error| {
        Failure::of(
            format!("choose another --otlp address than {address}, or end the program that has it"),
            &error,
        )
    })?;
    if let Some(collector) = &arguments.forward {
        receiver = receiver.forward_to(collector)?;
    }
    eprintln!("listening for OTLP at {}", receiver.endpoint());
    Ok(Some(receiver))
}

fn until(arguments: &CheckArgs) -> String {
    let mut ends = Vec::new();
    if let Some(duration) = arguments.duration {
        ends.push(format!("for {duration:?}"));
    }
    if let Some(spans) = arguments.until_spans {
        ends.push(format!("until {spans} spans have come"));
    }
    ends.push("until SIGTERM or Ctrl-C".to_owned());
    format!("looking {}", ends.join(", or "))
}

/// Listens for signals from now on; ends with the first.
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

async fn enough(receiver: Option<&OtlpReceiver>, spans: Option<u64>) {
    match (receiver, spans) {
        (Some(receiver), Some(spans)) => {
            receiver
                .wait_for(|received| received.spans >= spans, FOREVER)
                .await;
        }
        _ => std::future::pending().await,
    }
}

fn is_asked_for(placed: &compare::Placed, arguments: &CheckArgs) -> bool {
    let CheckArgs {
        only,
        ignore,
        signal,
        service,
        ..
    } = arguments;
    let finding = &placed.finding;
    (only.is_empty() || only.contains(&finding.id))
        && !ignore.contains(&finding.id)
        && (signal.is_empty() || signal.contains(&finding.signal))
        && (service.is_empty() || placed.services.iter().any(|name| service.contains(name)))
}

fn write(report: &Report, format: Format, output: Option<&Path>) -> Result<(), Failure> {
    let text = match format {
        Format::Text => report.to_string(),
        Format::Json => format!("{:#}\n", report.json()),
        Format::Junit => junit::xml(report)
            .map_err(|error| Failure::of("the report could not be written", &error))?,
    };
    let Some(path) = output else {
        print!("{text}");
        return Ok(());
    };
    std::fs::write(path, text)
        .map_err(|error| Failure::of(format!("{} could not be written", path.display()), &error))?;
    eprintln!("{}", report.verdict());
    Ok(())
}
