//! `llasta serve`. In reading order: what all services share (this file), then one file per service; `embed` makes
//! the embedder of faiss-wrap.

mod chatbot_rag;
pub(super) mod embed;
mod faiss_wrap;
mod llm;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use llasta_rag::schema::{hybrid, milvus};
use llasta_telemetry::{Guard, Telemetry};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::{Service, ServiceArgs};
use super::failure::Failure;

pub(super) async fn run(service: Service) -> Result<(), Failure> {
    match service {
        Service::FaissWrap(arguments) => faiss_wrap::run(*arguments).await,
        Service::ChatbotRag(arguments) => chatbot_rag::run(arguments).await,
        Service::Llm(arguments) => llm::run(arguments).await,
    }
}

fn telemetry(name: &str, arguments: &ServiceArgs) -> Result<Guard, Failure> {
    let mut builder = Telemetry::builder(name)
        .version(env!("CARGO_PKG_VERSION"))
        .schema(&hybrid::NAMESPACE)
        .schema(&milvus::NAMESPACE);
    if let Some(endpoint) = &arguments.otlp_endpoint {
        builder = builder.otlp_endpoint(endpoint);
    }
    if let Some(style) = arguments.log_format {
        builder = builder.log_style(style);
    }
    Ok(builder.install()?)
}

async fn bind(arguments: &ServiceArgs, port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(arguments.host, port);
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!(
            "cannot listen on {address}: {error}; choose another --port (APP_PORT) or --host (APP_HOST), or end the program that has it"
        ))
    })
}

/// Serves until the service is told to stop or cannot go on, and then until the last request has ended.
async fn serve(
    app: Router,
    listener: TcpListener,
    arguments: &ServiceArgs,
    broken: impl Future<Output = String> + Send + 'static,
) -> Result<(), Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::of("the socket has no address", &error))?;
    tracing::info!(address = %address, url = %format!("http://{address}"), "listening");
    let (stopping, mut stopped) = watch::channel(false);
    let with_stdin = arguments.stop_with_stdin;
    let drain = Duration::from_secs(arguments.drain_timeout_secs);
    tokio::spawn(async move {
        tokio::select! {
            () = told_to_stop(with_stdin) => tracing::info!("stopping: no new requests"),
            reason = broken => tracing::error!(reason, "stopping: no request can be answered any more"),
        }
        let _ = stopping.send(true);
    });
    let mut graceful = stopped.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        let _ = graceful.wait_for(|stop| *stop).await;
    });
    let impatient = async {
        let _ = stopped.wait_for(|stop| *stop).await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = server => served.map_err(|error| Failure::of("the server failed", &error)),
        () = impatient => {
            tracing::warn!(
                "some requests have not ended in {} s and are cut off: allow more with --drain-timeout-secs",
                drain.as_secs()
            );
            Ok(())
        }
    }
}

async fn told_to_stop(with_stdin: bool) {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let terminated = async {
        #[cfg(unix)]
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    };
    let input_ended = async {
        if !with_stdin {
            std::future::pending::<()>().await;
        }
        let mut buffer = [0; 64];
        while matches!(tokio::io::stdin().read(&mut buffer).await, Ok(read) if read > 0) {}
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
        () = input_ended => {}
    }
}

async fn end(telemetry: Guard) {
    let report = telemetry.shutdown().await;
    if report.is_complete() {
        tracing::info!(%report, "telemetry has ended");
    } else {
        tracing::warn!(%report, "telemetry has ended with losses");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use llasta_rag::service::MAX_BODY_BYTES;

    use super::*;

    #[tokio::test]
    async fn a_service_that_cannot_go_on_answers_what_it_has_and_ends_untold() {
        let arguments = ServiceArgs {
            host: [127, 0, 0, 1].into(),
            max_body_bytes: MAX_BODY_BYTES,
            drain_timeout_secs: 600,
            otlp_endpoint: None,
            log_format: None,
            stop_with_stdin: false,
        };
        let listener = bind(&arguments, 0).await.ok().unwrap();
        let address = listener.local_addr().unwrap();
        let (breaks, mut broken) = watch::channel(false);
        let app = Router::new().route(
            "/",
            get(async move || {
                breaks.send_replace(true);
                // The socket closes before this is answered.
                while tokio::net::TcpStream::connect(address).await.is_ok() {
                    tokio::task::yield_now().await;
                }
                "answered"
            }),
        );
        let reason = async move {
            let _ = broken.wait_for(|broken| *broken).await;
            "a device is lost".to_owned()
        };
        let client = async {
            let answer = reqwest::get(format!("http://{address}/")).await.unwrap();
            answer.text().await.unwrap()
        };
        let both = async { tokio::join!(serve(app, listener, &arguments, reason), client) };
        let ended = tokio::time::timeout(Duration::from_secs(60), both).await;
        let (served, answered) = ended.expect("it goes on");
        assert!(served.is_ok());
        assert_eq!(answered, "answered");
    }
}
