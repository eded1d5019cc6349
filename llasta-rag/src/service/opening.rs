//! A collection on its way: a service answers before its model is loaded.

use std::sync::Arc;

use tokio::sync::watch;

use crate::pipeline::Collection;

/// A collection that may still be opening: its model loads, its index catches up with the store.
#[derive(Debug, Clone)]
pub struct Opening {
    model: Arc<str>,
    collection: Arc<watch::Sender<Option<Arc<Collection>>>>,
    /// What cannot be put right without starting again.
    broken: Arc<watch::Sender<Option<String>>>,
}

impl Opening {
    /// Nothing is there yet; `model` is what `/health` says meanwhile.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        Self {
            model: model.into(),
            collection: Arc::new(watch::Sender::new(None)),
            broken: Arc::new(watch::Sender::new(None)),
        }
    }

    /// The name of the model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// From now on there is a collection.
    pub fn opened(&self, collection: impl Into<Arc<Collection>>) {
        self.collection.send_replace(Some(collection.into()));
    }

    /// The collection, if there is one by now.
    pub fn collection(&self) -> Option<Arc<Collection>> {
        self.collection.borrow().clone()
    }

    /// The collection, as soon as there is one. Where opening fails the service ends, and with it
    /// whoever waits here.
    pub async fn ready(&self) -> Arc<Collection> {
        as_soon_as_there(&self.collection).await
    }

    /// From now on nothing works, and the service should end: a device is lost, say. Of several reasons
    /// the first one counts.
    pub fn broke(&self, reason: String) {
        self.broken.send_if_modified(|broken| {
            let first = broken.is_none();
            broken.get_or_insert(reason);
            first
        });
    }

    /// Why nothing works any more, if so.
    pub fn reason(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    /// Why nothing works any more, as soon as that is so.
    pub async fn broken(&self) -> String {
        as_soon_as_there(&self.broken).await
    }
}

async fn as_soon_as_there<T: Clone>(watched: &watch::Sender<Option<T>>) -> T {
    let mut watched = watched.subscribe();
    loop {
        if let Some(value) = watched.borrow_and_update().clone() {
            return value;
        }
        if watched.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl From<Arc<Collection>> for Opening {
    fn from(collection: Arc<Collection>) -> Self {
        let opening = Self::new(collection.embedder().model());
        opening.opened(collection);
        opening
    }
}
