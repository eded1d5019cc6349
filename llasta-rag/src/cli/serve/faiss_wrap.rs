//! `llasta serve faiss-wrap`
//!
//! The socket answers from the first moment: until the model is loaded and the index is in step with
//! the store, `/health` says `loading` and requests wait. A GPU that is lost ends it: no process gets it
//! back, and a new one may.

use llasta_rag::gpu;
use llasta_rag::pipeline::{Collection, Retrieval};
use llasta_rag::service::faiss_wrap::FaissWrapConfig;
use llasta_rag::service::{Opening, faiss_wrap};
use llasta_telemetry::context::carry_fn;

use super::super::args::FaissWrapArgs;
use super::super::failure::Failure;
use super::{bind, embed, end, serve, telemetry};

pub(super) async fn run(arguments: FaissWrapArgs) -> Result<(), Failure> {
    embed::check(&arguments.embed)?;
    let FaissWrapArgs {
        service,
        port,
        data_dir,
        embed: chosen,
        index,
        milvus,
        retrieval,
    } = arguments;
    let index = milvus.index(index)?;
    let telemetry = telemetry("faiss-wrap", &service)?;
    let listener = bind(&service, port).await?;
    let opening = Opening::new(chosen.embed_model.clone());
    let app = faiss_wrap::router(
        opening.clone(),
        &telemetry,
        FaissWrapConfig {
            max_body_bytes: service.max_body_bytes,
            retrieval,
        },
    );
    let searched = opening.clone();
    gpu::watch(telemetry.registry(), move || {
        let collection = searched.collection();
        let devices = collection.map(|collection| {
            let index = collection.index().device().to_owned();
            vec![index, collection.embedder().device().to_string()]
        });
        devices.unwrap_or_default()
    });
    let opening_now = opening.clone();
    let runtime = tokio::runtime::Handle::current();
    let opened = tokio::task::spawn_blocking(carry_fn(move || {
        let embedder = embed::embedder(&chosen, runtime)?;
        let collection = Collection::open(&data_dir, embedder, index)
            .map_err(|error| Failure::of("faiss-wrap cannot start", &error))?;
        if retrieval == Retrieval::Hybrid {
            collection
                .prepare_text_search()
                .map_err(|error| Failure::of("faiss-wrap cannot start", &error))?;
        }
        let (model, vectors) = (collection.embedder().model().to_owned(), collection.len());
        opening_now.opened(collection);
        tracing::info!(model, vectors, "ready");
        Ok::<_, Failure>(())
    }));
    let broken = opening.clone();
    let serving = serve(
        app,
        listener,
        &service,
        async move { broken.broken().await },
    );
    tokio::pin!(serving);
    tokio::select! {
        opened = opened => {
            opened.map_err(|error| Failure::of("faiss-wrap cannot start", &error))??;
            serving.await?;
        }
        served = &mut serving => served?,
    }
    let broken = opening.reason();
    let saved = tokio::task::spawn_blocking(move || {
        opening.collection().map(|collection| collection.save())
    });
    if let Ok(Some(Err(error))) = saved.await {
        // Nothing is lost: the index is rebuilt from the store.
        tracing::warn!(%error, "the index file could not be written: the next start takes longer");
    }
    end(telemetry).await;
    broken.map_or(Ok(()), |reason| Err(Failure::new(reason)))
}
