//! Requests whose connection was closed are made again: an API server may close one that was kept open at any time.

use std::time::Duration;

use http::{Request, Response};
use kube::client::Body;
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower::retry::Policy;

/// Retries what got no answer, and nothing that the API server has answered.
#[derive(Clone)]
pub(crate) struct WithoutAnswer {
    tries_left: u32,
}

impl Default for WithoutAnswer {
    fn default() -> Self {
        Self { tries_left: 3 }
    }
}

impl<Res> Policy<Request<Body>, Response<Res>, BoxError> for WithoutAnswer {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Res>, BoxError>,
    ) -> Option<Sleep> {
        if result.is_ok() || self.tries_left == 0 {
            return None;
        }
        self.tries_left -= 1;
        Some(sleep(Duration::from_millis(300)))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}
