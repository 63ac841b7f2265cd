//! A virtual environment with the clients of `requirements.txt`, made once and kept under the target directory.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Where nothing listens: what tries to leave this machine fails at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The environment's interpreter.
#[derive(Clone)]
pub struct Python(PathBuf);

impl Python {
    /// One of our scripts, with nothing of this machine's environment.
    pub fn command(&self, script: &str, home: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(here().join("scripts").join(script)).env_clear().current_dir(home);
        command
            .env("PATH", path())
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("CLEARML_CACHE_DIR", home.join("clearml-cache"))
            .envs(["HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, NOWHERE)))
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

impl Python {
    /// One of our scripts as words of a shell.
    pub fn words_of(&self, script: &str) -> String {
        let file = here().join("scripts").join(script);
        format!("'{}' '{}'", self.0.display(), file.display())
    }

    /// ClearML's own agent, with nothing of this machine's environment but where its commands are; `programs` are found
    /// before them.
    pub fn agent(&self, home: &Path, programs: Option<&Path>) -> Command {
        let bin = self.0.parent().unwrap();
        // Not by its own script, whose first line names the place where the environment was made.
        let mut command = Command::new(&self.0);
        command.args(["-m", "clearml_agent"]);
        let folders = programs.map(Path::to_owned).into_iter().chain([bin.to_owned()]);
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path()))).unwrap();
        command
            .env_clear()
            .current_dir(home)
            .env("PATH", path)
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("SHELL", "/bin/bash")
            .envs(["HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, NOWHERE)))
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

/// The environment; `None`, after a line that says why, where it cannot be had and is not required.
pub fn environment() -> Option<Python> {
    static MADE: OnceLock<Result<Python, String>> = OnceLock::new();
    match MADE.get_or_init(make) {
        Ok(python) => Some(python.clone()),
        Err(reason) => {
            assert!(!is_required(), "the interop tests are required and cannot run: {reason}");
            // Not `eprintln!`: the test runner would keep that from whoever looks.
            std::io::stderr().write_all(format!("interop test skipped: {reason}\n").as_bytes()).unwrap();
            None
        }
    }
}

fn is_required() -> bool {
    std::env::var("CLEARML_ALERTS_REQUIRE_INTEROP").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

fn make() -> Result<Python, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    let lock = File::create(target.join("interop-venv.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let folder = target.join("interop-venv");
    let python = Python(folder.join("bin/python"));
    // Written last, so that an environment that was only half made is made again.
    let finished = folder.join("finished-with");
    if fs::read_to_string(&finished).is_ok_and(|text| text == REQUIREMENTS) && works(&python) {
        return Ok(python);
    }
    install(&folder, &python)?;
    fs::write(&finished, REQUIREMENTS).map_err(|error| error.to_string())?;
    Ok(python)
}

fn works(python: &Python) -> bool {
    Command::new(&python.0)
        .args(["-c", "import clearml, clearml_agent, slack_sdk"])
        .output()
        .is_ok_and(|run| run.status.success())
}

fn install(folder: &Path, python: &Python) -> Result<(), String> {
    let is_new_enough = "import sys; sys.exit(sys.version_info < (3, 8))";
    succeeds("Python 3.8 or newer", Command::new("python3").args(["-c", is_new_enough]))?;
    succeeds("Python's venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "30"];
    let requirements = here().join("requirements.txt");
    succeeds("packages from PyPI", Command::new(&python.0).args(pip).arg("-r").arg(requirements))
}

/// Runs a command; what is missing where it fails is `what`, and why is its last word.
fn succeeds(what: &str, command: &mut Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("no {what} ({error})"))?;
    if status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&stderr).trim().to_owned() + String::from_utf8_lossy(&stdout).trim();
    Err(format!("no {what} ({})", words.lines().last().unwrap_or("it failed without a word")))
}
