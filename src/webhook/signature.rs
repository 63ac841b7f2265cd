//! The signature of a request: `t=<seconds since 1970>,v1=<hex>`, where the digits are the HMAC-SHA256 of
//! `<t>.<body>` under the shared key. The time is in it so that a receiver can refuse old requests that somebody repeats.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header that carries it.
pub const HEADER: &str = "X-ClearML-Alerts-Signature";

/// The header's value for a body sent at `unix_seconds`.
pub fn sign(key: &SecretString, unix_seconds: i64, body: &str) -> String {
    format!("t={unix_seconds},v1={}", digest(key.expose_secret(), unix_seconds, body))
}

fn digest(key: &str, unix_seconds: i64, body: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length: the crate documents that this cannot fail")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("{:x}", mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digits are those of `printf '1795386448.{"a":1}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn it_is_what_other_tools_compute() {
        let signed = sign(&SecretString::from("key"), 1_795_386_448, r#"{"a":1}"#);
        let digits = "bf535821003cbfeaa6fcdd24c406e06e78cdbcd67163cb8a5daaacc4f621097e";
        assert_eq!(signed, format!("t=1795386448,v1={digits}"));
    }

    #[test]
    fn another_key_time_or_body_gives_another_signature() {
        let key = SecretString::from("key");
        let signed = sign(&key, 5, "body");
        for other in [sign(&SecretString::from("yek"), 5, "body"), sign(&key, 6, "body"), sign(&key, 5, "body ")] {
            assert_ne!(signed.rsplit_once("v1=").unwrap().1, other.rsplit_once("v1=").unwrap().1);
        }
    }
}
