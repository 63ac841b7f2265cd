//! What a network and a proxy can do to an answer: each has its class, and none is taken for an answer.

use std::time::Duration;

use tokio::net::TcpListener;
use url::Url;

use super::scripted::{Reply, Scripted};
use crate::clearml::{ClearmlError, Client, Config, Stage};

/// The error of one `ping` that is answered so, tried once.
async fn ping_answered(reply: Reply) -> ClearmlError {
    ping_with(reply, |_| {}).await
}

async fn ping_with(reply: Reply, adjust: impl FnOnce(&mut Config)) -> ClearmlError {
    let server = Scripted::start([reply]).await;
    let mut config = server.config();
    config.retry.tries = 1;
    adjust(&mut config);
    Client::new(config).unwrap().ping().await.unwrap_err()
}

fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, Vec::new(), body.as_bytes().to_vec())
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_names_the_host() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Scripted::start([]).await;
    let mut config = server.config();
    config.api = Url::parse(&format!("http://{free}")).unwrap();
    let told = Client::new(config).unwrap().ping().await.unwrap_err();
    assert!(matches!(&told, ClearmlError::Unreachable { host, .. } if *host == free.to_string()), "{told}");
    assert!(told.to_string().contains("refused"), "{told}");
    assert!(!told.to_string().contains("debug.ping"), "no address in messages: {told}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unreachable_at_every_stage() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\"",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"data\"\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    ] {
        let told = ping_answered(Reply::Raw(bytes.to_vec())).await;
        assert!(matches!(told, ClearmlError::Unreachable { .. }), "{told:?}");
        assert!(told.is_transient());
    }
}

#[tokio::test]
async fn a_hang_ends_at_the_limit_and_tells_the_stage() {
    for (bytes, stage) in
        [(&b""[..], Stage::Waiting), (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Stage::Reading)]
    {
        let limit = Duration::from_millis(150);
        let told = ping_with(Reply::Hang(bytes.to_vec()), |config| config.timeout = limit).await;
        assert!(
            matches!(told, ClearmlError::Timeout { stage: at, after, .. } if at == stage && after == limit),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let announced = Reply::Answer(200, Vec::new(), vec![b' '; 2000]);
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 2000]].concat();
    for reply in [announced, Reply::Hang(endless)] {
        let told = ping_with(reply, |config| config.max_answer_bytes = 1000).await;
        assert_eq!(told, ClearmlError::TooLarge { endpoint: "debug.ping".into(), limit: 1000 });
    }
}

#[tokio::test]
async fn what_is_no_answer_of_clearmls_is_a_protocol_error() {
    for body in ["", "<!doctype html><title>Sign in</title>", "{\"data\": {", "[]", "null", "{}", "{\"data\": []}"] {
        let told = ping_answered(answer(200, body)).await;
        assert!(matches!(told, ClearmlError::Protocol { .. }), "{body}: {told:?}");
    }
    assert!(matches!(ping_answered(answer(204, "")).await, ClearmlError::Protocol { .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_named_without_its_path() {
    let elsewhere = || vec![("location", "https://login.example.com/sso?token=marked".to_owned())];
    for status in [301, 302, 307, 308] {
        let told = ping_answered(Reply::Answer(status, elsewhere(), Vec::new())).await;
        assert!(matches!(&told, ClearmlError::Redirected { to, .. } if to == "https://login.example.com"), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_more_patience_than_a_call_has_is_left_alone() {
    let busy = Reply::Answer(429, vec![("retry-after", "3600".to_owned())], Vec::new());
    let server = Scripted::start([busy]).await;
    let told = server.client().ping().await.unwrap_err();
    assert_eq!(told.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(server.seen().len(), 1);
}
