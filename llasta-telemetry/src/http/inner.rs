//! The service that is instrumented.

use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

/// The service inside, as it is cloned with the layer for each request.
#[derive(Clone)]
pub(super) enum Inner<S: Send> {
    /// A service of its own for each clone, as tower's contract has it: what is called is what was
    /// asked whether it is ready.
    Own(S),
    /// A route of axum's, which is shared.
    #[cfg(feature = "axum")]
    Route(std::sync::Arc<SharedRoute<S>>),
}

impl<S: Send + 'static> Inner<S> {
    pub(super) fn new(service: S) -> Self {
        #[cfg(feature = "axum")]
        if let Some(route) = (&service as &dyn std::any::Any).downcast_ref() {
            return Self::Route(std::sync::Arc::new(SharedRoute::new(route)));
        }
        Self::Own(service)
    }

    /// Whether a call runs nothing of what is inside, so that nothing has to be current in it.
    #[inline]
    pub(super) fn is_lazy(&self) -> bool {
        !matches!(self, Self::Own(_))
    }

    #[inline]
    pub(super) fn poll_ready<B>(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Request<B>>,
    {
        match self {
            Self::Own(service) => service.poll_ready(task),
            #[cfg(feature = "axum")]
            Self::Route(_) => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    pub(super) fn call<B>(&mut self, request: Request<B>) -> S::Future
    where
        S: Service<Request<B>>,
    {
        match self {
            Self::Own(service) => service.call(request),
            #[cfg(feature = "axum")]
            Self::Route(route) => route.with(|service| service.call(request)),
        }
    }
}

#[cfg(feature = "axum")]
pub(super) use self::shared::SharedRoute;

#[cfg(feature = "axum")]
mod shared {
    use std::any::Any;
    use std::cell::RefCell;
    use std::sync::{Mutex, PoisonError};

    use axum::routing::Route;
    use thread_local::ThreadLocal;

    /// One of axum's routes, cloned once for each thread.
    ///
    /// axum clones a route with everything that is inside it for each request, and the route
    /// inside clones itself once more when it is called. A route is always ready, and its call
    /// only makes a future, so the first of these clones can be spared.
    pub(in crate::http) struct SharedRoute<S: Send> {
        route: Mutex<Route>,
        local: ThreadLocal<RefCell<S>>,
    }

    impl<S: Send + 'static> SharedRoute<S> {
        /// `S` is the type of the route.
        pub(super) fn new(route: &Route) -> Self {
            Self {
                route: Mutex::new(route.clone()),
                local: ThreadLocal::new(),
            }
        }

        #[inline]
        pub(super) fn with<R>(&self, call: impl FnOnce(&mut S) -> R) -> R {
            let local = self.local.get_or(|| RefCell::new(self.copy()));
            match local.try_borrow_mut() {
                Ok(mut service) => call(&mut service),
                // A state whose clone asks the same route.
                Err(_) => call(&mut self.copy()),
            }
        }

        #[cold]
        fn copy(&self) -> S {
            let route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
            let mut route = Some(route.clone());
            let same: &mut Option<S> = (&mut route as &mut dyn Any)
                .downcast_mut()
                .unwrap_or_else(|| unreachable!("made from a route only"));
            same.take().unwrap_or_else(|| unreachable!("it was there"))
        }
    }
}
