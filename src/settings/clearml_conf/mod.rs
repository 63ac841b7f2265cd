//! Reads the `api` block of a `clearml.conf`: a tolerant reader of the HOCON that `clearml-init`, people and agents
//! write. Text in, block out; variables and included files come from the injected environment.

mod cursor;
mod parser;
mod tree;

use std::path::Path;

use secrecy::SecretString;

use super::environment::Environment;
use parser::Reading;
use tree::{Object, Reader};

/// What the `api` block says; what it does not say, or leaves empty, is `None`.
#[derive(Debug, Clone, Default)]
pub struct ApiBlock {
    /// Address of the API server.
    pub api_server: Option<String>,
    /// Its old name, which counts where `api_server` is not given.
    pub host: Option<String>,
    /// Address of the web application.
    pub web_server: Option<String>,
    /// Address of the file server.
    pub files_server: Option<String>,
    /// Whether TLS certificates are verified, as written.
    pub verify_certificate: Option<String>,
    /// `credentials.access_key`.
    pub access_key: Option<SecretString>,
    /// `credentials.secret_key`.
    pub secret_key: Option<SecretString>,
    /// What was odd and was read over, such as an included file that is missing.
    pub warnings: Vec<String>,
}

/// A file that cannot be understood. It tells nothing of what the file says, since that can be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ConfError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// Reads the `api` block of `text`, the content of the file `path`, beside which its includes are looked for. Fails
/// where the text is malformed, or where the block needs a variable that is not set.
pub fn read(text: &str, path: &Path, environment: &dyn Environment) -> Result<ApiBlock, ConfError> {
    let read_file = |path: &Path| environment.read_file(path);
    let mut reading = Reading::new(&read_file);
    let mut root = Object::new();
    parser::parse(text, path.parent().unwrap_or(Path::new("")), &mut reading, &mut root)?;

    let variable = |name: &str| environment.variable(name).and_then(|value| value.into_string().ok());
    let mut reader = Reader::new(&root, &variable);
    let mut setting = |path: &[&str]| Ok(reader.text(path)?.filter(|text| !matches!(text.trim(), "" | "null")));
    Ok(ApiBlock {
        api_server: setting(&["api", "api_server"])?,
        host: setting(&["api", "host"])?,
        web_server: setting(&["api", "web_server"])?,
        files_server: setting(&["api", "files_server"])?,
        verify_certificate: setting(&["api", "verify_certificate"])?,
        access_key: setting(&["api", "credentials", "access_key"])?.map(SecretString::from),
        secret_key: setting(&["api", "credentials", "secret_key"])?.map(SecretString::from),
        warnings: reading.warnings,
    })
}

#[cfg(test)]
mod tests;
