//! Who calls: Basic and Bearer credentials, tokens that look and age like the real ones, and the `auth` service.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::wire::{API_VERSION, ApiError, COMPANY, COMPANY_NAME, Call, Outcome, SERVER_VERSION};
use super::world::World;

/// 30 days, as the real server's default.
const DEFAULT_LIFE_SECONDS: i64 = 2_592_000;
const LONGEST_LIFE_SECONDS: i64 = 31_536_000;

/// The user that the `Authorization` header stands for.
pub(crate) fn authenticate(world: &World, header: Option<&str>) -> Result<String, ApiError> {
    let Some(header) = header.filter(|header| !header.trim().is_empty()) else {
        return Err(unauthorized(20, "Unauthorized (missing credentials)"));
    };
    let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
    match scheme {
        "Basic" => basic(world, credentials.trim()),
        "Bearer" => bearer(world, credentials.trim()).map(|session| session.user),
        _ => Err(unauthorized(10, "Unauthorized (bad authentication header type)")),
    }
}

fn unauthorized(subcode: u16, message: impl Into<String>) -> ApiError {
    ApiError::new(401, subcode, message)
}

fn basic(world: &World, credentials: &str) -> Result<String, ApiError> {
    let refused =
        || unauthorized(22, "Unauthorized (invalid credentials) (failed to locate provided credentials)".to_owned());
    let decoded = STANDARD.decode(credentials).map_err(|_| refused())?;
    let decoded = String::from_utf8(decoded).map_err(|_| refused())?;
    let (key, secret) = decoded.split_once(':').ok_or_else(refused)?;
    if key == world.login.access_key && secret == world.login.secret_key {
        return Ok(world.login.user.clone());
    }
    Err(refused())
}

struct Session {
    id: String,
    user: String,
}

fn bearer(world: &World, token: &str) -> Result<Session, ApiError> {
    let invalid = |reason: &str| unauthorized(30, format!("Invalid token (invalid jwt token): reason={reason}"));
    let Some((signed, signature)) = token.rsplit_once('.').filter(|(signed, _)| signed.contains('.')) else {
        return Err(invalid("Not enough segments"));
    };
    if signature != signature_of(world, signed) {
        return Err(invalid("Signature verification failed"));
    }
    let payload = payload_of(signed).ok_or_else(|| invalid("Invalid payload string"))?;
    let expires = payload.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if expires.saturating_mul(1000) <= world.now().as_millis() {
        return Err(invalid("Signature has expired"));
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text(payload.get("session_id"));
    if world.revoked.contains(&id) {
        return Err(unauthorized(30, "Invalid token (revoked token)"));
    }
    Ok(Session { id, user: text(payload.pointer("/identity/user")) })
}

fn payload_of(signed: &str) -> Option<Value> {
    let (_, payload) = signed.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn signature_of(world: &World, signed: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(&world.signing_key);
    hasher.update(signed);
    hasher.update(&world.signing_key);
    URL_SAFE_NO_PAD.encode(hasher.finalize())
}

/// A new token for `user`, good for so many seconds of the server's clock.
pub(crate) fn issue_token(world: &mut World, user: &str, life_seconds: i64) -> String {
    let session = world.new_id();
    world.sessions.push(session.clone());
    let issued = world.now().as_millis().div_euclid(1000);
    let payload = json!({
        "session_id": session, "auth_type": "Bearer", "env": "<unknown>",
        "iat": issued, "exp": issued.saturating_add(life_seconds),
        "identity": {
            "user": user, "user_name": world.login.alias, "role": "user",
            "company": COMPANY, "company_name": COMPANY_NAME,
        },
        "api_version": format!("{}.{}", API_VERSION.0, API_VERSION.1),
        "server_version": SERVER_VERSION, "server_build": "", "feature_set": "basic",
    });
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()));
    let signature = signature_of(world, &signed);
    format!("{signed}.{signature}")
}

/// `auth.login`, for Basic credentials and for a token that renews itself.
pub(crate) fn login(world: &mut World, call: &Call) -> Outcome {
    let life = call.integer("expiration_sec").unwrap_or(DEFAULT_LIFE_SECONDS);
    if life > LONGEST_LIFE_SECONDS {
        return Err(ApiError::validation(format_args!(
            "error for field 'expiration_sec': '{life}' is bigger than maximum ('{LONGEST_LIFE_SECONDS}').."
        )));
    }
    if life < 1 {
        return Err(ApiError::validation(format_args!(
            "error for field 'expiration_sec': '{life}' is smaller than minimum ('1').."
        )));
    }
    let user = call.user.clone();
    Ok(json!({"token": issue_token(world, &user, life)}))
}

/// `auth.logout`: the token in use is no longer good.
pub(crate) fn logout(world: &mut World, header: Option<&str>) -> Value {
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
    if let Ok(session) = bearer(world, token) {
        world.revoked.insert(session.id);
    }
    json!({})
}

/// Every endpoint that the ordinary role may not use.
pub(crate) fn forbidden() -> ApiError {
    ApiError::new(403, 20, "Forbidden (not allowed for role): role=user, allowed=(system, root)")
}
