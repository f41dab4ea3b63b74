//! The HTTP API in front of a host.
//!
//! **Every route stands in [`routes`], and the OpenAPI file describes exactly those** (a test compares them).
//! Errors have one JSON shape, [`wire::Problem`]. Bodies are bounded: records are read as a stream in
//! batches, everything else has a limit.

mod batcher;
mod consume;
mod dead_letters;
mod error;
mod extract;
mod body;
mod groups;
mod headers;
mod health;
mod openapi;
mod pipelines;
mod plugins;
mod produce;
mod progress;
mod topics;
mod upgrades;
pub mod wire;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;

pub use error::ApiError;
use extract::{Name, Params, Ready};

use crate::host::Host;

/// The largest JSON or TOML body.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// What handlers share. The host is there once it is ready.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    host: OnceLock<Arc<Host>>,
    stopping: CancellationToken,
}

impl App {
    /// An API that answers "not ready" until [`App::open`].
    pub fn new(stopping: CancellationToken) -> App {
        App(Arc::new(Shared { host: OnceLock::new(), stopping }))
    }

    /// From now on requests reach `host`. A second call changes nothing.
    pub fn open(&self, host: Arc<Host>) {
        let _ = self.0.host.set(host);
    }

    fn host(&self) -> Option<Arc<Host>> {
        self.0.host.get().filter(|_| !self.0.stopping.is_cancelled()).cloned()
    }

    /// Ends answers that would otherwise wait for ever.
    fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }
}

/// One path and what it does.
struct Route {
    path: &'static str,
    methods: &'static [Method],
    handler: MethodRouter<App>,
}

fn routes() -> Vec<Route> {
    let route = |path, methods, handler| Route { path, methods, handler };
    vec![
        route(
            "/api/v1/topics",
            &[Method::GET, Method::POST],
            get(topics::list).post(topics::create),
        ),
        route(
            "/api/v1/topics/{topic}",
            &[Method::GET, Method::PATCH, Method::DELETE],
            get(topics::describe).patch(topics::change).delete(topics::delete),
        ),
        route(
            "/api/v1/topics/{topic}/records",
            &[Method::GET, Method::POST, Method::DELETE],
            get(consume::consume).post(produce::produce).delete(topics::delete_records),
        ),
        route("/api/v1/groups", &[Method::GET], get(groups::list)),
        route(
            "/api/v1/groups/{group}",
            &[Method::GET, Method::DELETE],
            get(groups::describe).delete(groups::delete),
        ),
        route("/api/v1/groups/{group}/reset", &[Method::POST], post(groups::reset)),
        route(
            "/api/v1/plugins",
            &[Method::GET, Method::POST],
            get(plugins::list).post(plugins::push),
        ),
        route(
            "/api/v1/plugins/{plugin}",
            &[Method::GET, Method::DELETE],
            get(plugins::describe).delete(plugins::remove),
        ),
        route("/api/v1/plugins/{plugin}/component", &[Method::GET], get(plugins::component)),
        route("/api/v1/pipelines", &[Method::GET], get(pipelines::list)),
        route(
            "/api/v1/pipelines/{pipeline}",
            &[Method::GET, Method::PUT, Method::DELETE],
            get(pipelines::status).put(pipelines::apply).delete(pipelines::delete),
        ),
        route("/api/v1/pipelines/{pipeline}/start", &[Method::POST], post(pipelines::start)),
        route("/api/v1/pipelines/{pipeline}/stop", &[Method::POST], post(pipelines::stop)),
        route(
            "/api/v1/pipelines/{pipeline}/operators/{operator}/upgrade",
            &[Method::POST],
            post(upgrades::upgrade),
        ),
        route(
            "/api/v1/pipelines/{pipeline}/operators/{operator}/promote",
            &[Method::POST],
            post(upgrades::promote),
        ),
        route(
            "/api/v1/pipelines/{pipeline}/operators/{operator}/rollback",
            &[Method::POST],
            post(upgrades::rollback),
        ),
        route("/api/v1/pipelines/{pipeline}/replay", &[Method::POST], post(upgrades::replay)),
        route("/api/v1/pipelines/{pipeline}/progress", &[Method::GET], get(progress::recent)),
        route("/api/v1/pipelines/{pipeline}/dead-letters", &[Method::GET], get(dead_letters::list)),
        route(
            "/api/v1/pipelines/{pipeline}/dead-letters/export",
            &[Method::GET],
            get(dead_letters::export),
        ),
        route(
            "/api/v1/pipelines/{pipeline}/dead-letters/retry",
            &[Method::POST],
            post(dead_letters::retry),
        ),
        route(
            "/api/v1/pipelines/{pipeline}/dead-letters/{letter}",
            &[Method::GET],
            get(dead_letters::show),
        ),
        route(
            "/api/v1/pipelines/{pipeline}/progress/stream",
            &[Method::GET],
            get(progress::stream),
        ),
        route("/metrics", &[Method::GET], get(health::metrics)),
        route("/healthz", &[Method::GET], get(health::healthz)),
        route("/readyz", &[Method::GET], get(health::readyz)),
        route("/openapi.json", &[Method::GET], get(openapi::document)),
    ]
}

/// The whole API.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.handler.fallback(wrong_method(route.methods)));
    }
    // Handlers read bodies themselves, with limits of their own.
    router.fallback(no_such_path).layer(DefaultBodyLimit::disable()).with_state(app)
}

fn wrong_method(
    methods: &'static [Method],
) -> impl Fn() -> std::future::Ready<ApiError> + Clone + Send + 'static {
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    move || {
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method");
        std::future::ready(error.with_hint(format!("it has: {allowed}")))
    }
}

async fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path")
        .with_hint("/openapi.json lists what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openapi_file_describes_exactly_the_routes() {
        let document: serde_json::Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let mut described: Vec<String> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut served: Vec<String> = Vec::new();
        for route in routes() {
            served.extend(route.methods.iter().map(|method| format!("{method} {}", route.path)));
        }
        described.sort();
        served.sort();
        assert_eq!(described, served);
    }

    #[test]
    fn the_routes_do_not_clash() {
        let _ = router(App::new(CancellationToken::new()));
    }
}
