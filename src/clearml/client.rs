//! The client: keeps a valid token and sends calls with it. What is asked and what it means is in `tasks`, `changes` and
//! `directory`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer;
use super::config::{Config, Credentials, LARGEST_PAGE};
use super::error::ClearmlError;
use super::retry::{Repeat, Retry};
use super::token::{Session, Token};
use super::transport::{Authorization, Body, Transport};
use crate::domain::Stamp;

/// A connection to one ClearML API server as one user. Clones share the token and the connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    credentials: Credentials,
    retry: Retry,
    page_size: usize,
    token: Mutex<Option<Arc<Token>>>,
    /// Held while logging in, so that many calls that find the token stale log in once.
    logging_in: tokio::sync::Mutex<()>,
    server_time: Mutex<Option<Stamp>>,
}

impl Client {
    /// Sets the client up; nothing is sent. Fails where the address is none, or no certificate store is installed.
    pub fn new(config: Config) -> Result<Self, ClearmlError> {
        Ok(Self(Arc::new(Inner {
            transport: Transport::new(&config)?,
            credentials: config.credentials,
            retry: config.retry,
            page_size: config.page_size.clamp(1, LARGEST_PAGE),
            token: Mutex::new(None),
            logging_in: tokio::sync::Mutex::new(()),
            server_time: Mutex::new(None),
        })))
    }

    /// Logs in anew and tells who and where we are. Other calls log in by themselves when they have to.
    pub async fn login(&self) -> Result<Session, ClearmlError> {
        let _turn = self.0.logging_in.lock().await;
        Ok(self.fetch_token().await?.session.clone())
    }

    /// What the newest login told; `None` before the first.
    pub fn session(&self) -> Option<Session> {
        self.current_token().map(|token| token.session.clone())
    }

    /// The server's clock as the newest good answer gave it, to the second; `None` before the first.
    pub fn server_time(&self) -> Option<Stamp> {
        *locked(&self.0.server_time)
    }

    /// Asks for a sign of life, without credentials.
    pub async fn ping(&self) -> Result<(), ClearmlError> {
        self.send("debug.ping", Authorization::None, Body::Json(&json!({})), Repeat::Freely).await.map(drop)
    }

    /// Host and port of the API server, for messages.
    pub fn host(&self) -> &str {
        &self.0.transport.host
    }

    /// Rows to ask for at once.
    pub(super) fn page_size(&self) -> usize {
        self.0.page_size
    }

    /// Calls `endpoint` (`service.action`) as the user and reads `data` of the answer as a `T`.
    pub(super) async fn call<T: DeserializeOwned>(&self, endpoint: &str, body: &Value) -> Result<T, ClearmlError> {
        self.call_with(endpoint, Body::Json(body), Repeat::Freely).await
    }

    /// Like [`Client::call`], for a call that makes something: it is not sent again where the first may have arrived.
    pub(super) async fn call_once<T: DeserializeOwned>(&self, endpoint: &str, body: &Value) -> Result<T, ClearmlError> {
        self.call_with(endpoint, Body::Json(body), Repeat::IfUntouched).await
    }

    /// Like [`Client::call_once`], for a batch: an object a line.
    pub(super) async fn call_batch_once<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        lines: &str,
    ) -> Result<T, ClearmlError> {
        self.call_with(endpoint, Body::Lines(lines), Repeat::IfUntouched).await
    }

    async fn call_with<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        body: Body<'_>,
        repeat: Repeat,
    ) -> Result<T, ClearmlError> {
        let data = self.call_unread(endpoint, body, repeat).await?;
        answer::read(&data).map_err(|error| ClearmlError::protocol(endpoint, answer::tidy(&error.to_string())))
    }

    /// The `data` of the answer as it is written there.
    pub(super) async fn call_unread(
        &self,
        endpoint: &str,
        body: Body<'_>,
        repeat: Repeat,
    ) -> Result<Box<RawValue>, ClearmlError> {
        let token = self.valid_token().await?;
        let first = self.send(endpoint, Authorization::Token(&token.secret), body, repeat).await;
        match first {
            // A refused token is looked at before anything is done, so nothing was done twice.
            Err(error) if error.is_stale_token() => {
                let renewed = self.token_instead_of(&token).await?;
                self.send(endpoint, Authorization::Token(&renewed.secret), body, repeat).await
            }
            other => other,
        }
    }

    /// Sends a file to the file server.
    pub(super) async fn send_file(&self, files: url::Url, path: &str, contents: &[u8]) -> Result<(), ClearmlError> {
        let token = self.valid_token().await?;
        let answer = self.0.transport.upload(files, &token.secret, path, contents).await?;
        answer::expect_success("the file server", &answer)
    }

    async fn valid_token(&self) -> Result<Arc<Token>, ClearmlError> {
        if let Some(token) = self.current_token().filter(|token| !token.is_due()) {
            return Ok(token);
        }
        let _turn = self.0.logging_in.lock().await;
        match self.current_token() {
            Some(token) if !token.is_due() => Ok(token),
            // Due, and not over: a server that cannot log us in right now may well answer with the old one.
            Some(token) if !token.is_over() => match self.fetch_token().await {
                Err(error) if error.is_transient() => Ok(token),
                fetched => fetched,
            },
            _ => self.fetch_token().await,
        }
    }

    /// A token other than `refused`, which the server did not take.
    async fn token_instead_of(&self, refused: &Arc<Token>) -> Result<Arc<Token>, ClearmlError> {
        let _turn = self.0.logging_in.lock().await;
        match self.current_token() {
            Some(token) if !Arc::ptr_eq(&token, refused) => Ok(token),
            _ => self.fetch_token().await,
        }
    }

    /// Logs in and keeps the token; to be called with `logging_in` held.
    async fn fetch_token(&self) -> Result<Arc<Token>, ClearmlError> {
        let secret = match &self.0.credentials {
            Credentials::Keys { access, secret } => self.log_in(Authorization::Keys { access, secret }).await?,
            Credentials::Token(given) => self.renew(given).await?,
        };
        let token = Arc::new(Token::fresh(secret));
        *locked(&self.0.token) = Some(Arc::clone(&token));
        Ok(token)
    }

    /// Renews the newest token, or where that one is no longer taken, the one that was given.
    async fn renew(&self, given: &SecretString) -> Result<SecretString, ClearmlError> {
        if let Some(token) = self.current_token() {
            match self.log_in(Authorization::Token(&token.secret)).await {
                Err(error) if error.is_stale_token() => {}
                renewed => return renewed,
            }
        }
        self.log_in(Authorization::Token(given)).await
    }

    async fn log_in(&self, authorization: Authorization<'_>) -> Result<SecretString, ClearmlError> {
        #[derive(Deserialize)]
        struct Login {
            token: String,
        }
        const ENDPOINT: &str = "auth.login";
        let data = self.send(ENDPOINT, authorization, Body::Json(&json!({})), Repeat::Freely).await?;
        // The parser's own message could quote the token.
        let login: Login = answer::read(&data).map_err(|_| ClearmlError::protocol(ENDPOINT, "it holds no token"))?;
        Ok(SecretString::from(login.token))
    }

    /// Sends a request until it is answered or there is no point in trying again.
    async fn send(
        &self,
        endpoint: &str,
        authorization: Authorization<'_>,
        body: Body<'_>,
        repeat: Repeat,
    ) -> Result<Box<RawValue>, ClearmlError> {
        let mut failures = 0;
        loop {
            let error = match self.exchange(endpoint, authorization, body).await {
                Ok(data) => return Ok(data),
                Err(error) => error,
            };
            failures += 1;
            let Some(wait) = self.0.retry.wait_after(failures, &error, repeat, fastrand::f64()) else {
                return Err(error);
            };
            tracing::debug!(endpoint, failures, ?wait, %error, "asking ClearML again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn exchange(
        &self,
        endpoint: &str,
        authorization: Authorization<'_>,
        body: Body<'_>,
    ) -> Result<Box<RawValue>, ClearmlError> {
        let started = Instant::now();
        let answer = self.0.transport.post(endpoint, authorization, body).await;
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let bytes = answer.as_ref().ok().map(|answer| answer.body.len());
        tracing::trace!(endpoint, status, bytes, took = ?started.elapsed(), "clearml");
        let answer = answer?;
        let server_time = answer.date;
        let understood = answer::understand(self.host(), endpoint, answer)?;
        if server_time.is_some() {
            *locked(&self.0.server_time) = server_time;
        }
        Ok(understood)
    }

    fn current_token(&self) -> Option<Arc<Token>> {
        locked(&self.0.token).clone()
    }
}

/// What these locks guard is replaced whole, so a thread that panicked left nothing half done behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("host", &self.host()).finish_non_exhaustive()
    }
}
