//! For whatever restarts or routes: is the process alive, is the service doing its work, and if not, why.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::guard::MaySeeDetails;
use super::site::Site;
use crate::monitor::Health;

/// It answers, so it lives.
pub(super) async fn alive(State(site): State<Site>) -> impl IntoResponse {
    let uptime = site.now().since(site.figures().started_at).as_secs();
    let body = json!({ "alive": true, "version": env!("CARGO_PKG_VERSION"), "uptime_seconds": uptime });
    as_json(StatusCode::OK, &body)
}

/// Whether it does its work. Whoever may not read the pages learns which part does not, and no more.
pub(super) async fn ready(State(site): State<Site>, Extension(details): Extension<MaySeeDetails>) -> impl IntoResponse {
    let health = site.health().await;
    let is_ready = health.as_ref().is_some_and(Health::is_good);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let attention = health.as_ref().map_or(&[][..], |health| &health.attention);
    let configuration = if details.0 { attention.first().cloned() } else { None };
    let is_configured = attention.is_empty();
    let checks = health.as_ref().map_or_else(|| vec![starting()], |health| checks(health, details));
    let mut body = json!({ "ready": is_ready, "checks": checks });
    if !is_configured {
        body["configuration"] = configuration.map_or(json!(false), |told| json!(told));
    }
    as_json(status, &body)
}

fn as_json(status: StatusCode, body: &Value) -> impl IntoResponse + use<> {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string())
}

fn starting() -> Value {
    json!({ "name": "start", "ok": false, "problem": "the service is starting" })
}

fn checks(health: &Health, MaySeeDetails(details): MaySeeDetails) -> Vec<Value> {
    let each = health.checks.iter().map(|check| match check.problem.as_deref().filter(|_| details) {
        Some(problem) => json!({ "name": check.name, "ok": false, "problem": problem }),
        None => json!({ "name": check.name, "ok": check.problem.is_none() }),
    });
    each.collect()
}
