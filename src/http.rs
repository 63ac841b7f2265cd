//! How every HTTP client begins: with the one implementation of TLS that is built in. Nothing here sends anything.

/// A client to be built. TLS is done by rustls with `ring`: a fraction of the size of its default, and of the time to
/// build it.
#[expect(clippy::disallowed_methods, reason = "the one place that sets up TLS first")]
pub fn client() -> reqwest::ClientBuilder {
    // Where somebody has chosen an implementation for the whole process already, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
