//! The script that an agent runs: it finds this program, or fetches it, and becomes it. POSIX sh, since an agent may run it
//! with any shell; nothing in it may begin a line with `diff `, which an agent would take for a patch.

use super::enqueue::Program;

/// The script of a task whose program comes from `program` where an agent's machine has none.
pub fn service_script(program: &Program) -> String {
    let (address, sha256, log_in) = match program {
        Program::Installed => (String::new(), "", ""),
        Program::Download { address, sha256 } => (address.to_string(), sha256.as_str(), ""),
        Program::Upload { address, sha256 } => (address.to_string(), sha256.as_str(), "yes"),
    };
    TEMPLATE
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@ADDRESS@", &quoted(&address))
        .replace("@SHA256@", sha256)
        .replace("@LOG_IN@", log_in)
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const TEMPLATE: &str = r#"#!/bin/sh
# Starts clearml-alerts, which this task is. Written by clearml-alerts @VERSION@.
# The program is looked for on the PATH (of this machine, or of the container image); where it is not there it is fetched
# from the address below, and run only if its SHA-256 is the one below.
address=@ADDRESS@
sha256='@SHA256@'
log_in='@LOG_IN@'

fail() {
    echo "error: $*" >&2
    exit 1
}

is_right() {
    [ -f "$1" ] || return 1
    if command -v sha256sum >/dev/null 2>&1; then
        found=$(sha256sum <"$1")
    elif command -v shasum >/dev/null 2>&1; then
        found=$(shasum -a 256 <"$1")
    else
        found=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' <"$1")
    fi
    [ "${found%% *}" = "$sha256" ]
}

fetch() {
    if command -v python3 >/dev/null 2>&1; then
        python3 - "$address" "$1" "$log_in" <<'END'
import base64, json, os, shutil, ssl, sys, urllib.request

address, target, log_in = sys.argv[1:4]

def variable(name):
    return os.environ.get("CLEARML_" + name) or os.environ.get("TRAINS_" + name)

try:
    with open(variable("CONFIG_FILE")) as file:
        api = json.load(file).get("api", {})
except Exception:
    api = {}
keys = api.get("credentials", {})
verify = str(variable("API_HOST_VERIFY_CERT") or api.get("verify_certificate", True)).lower()
context = ssl._create_unverified_context() if verify in ("0", "false", "no") else None

def ask(url, authorization=None, data=None, limit=60):
    request = urllib.request.Request(url, data=data)
    if data:
        request.add_header("Content-Type", "application/json")
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    return urllib.request.urlopen(request, timeout=limit, context=context)

authorization = None
if log_in:
    token = variable("AUTH_TOKEN")
    if token:
        login = "Bearer " + token
    else:
        key = variable("API_ACCESS_KEY") or keys.get("access_key", "")
        secret = variable("API_SECRET_KEY") or keys.get("secret_key", "")
        login = "Basic " + base64.b64encode((key + ":" + secret).encode()).decode()
    host = variable("API_HOST") or api.get("api_server", "")
    with ask(host.rstrip("/") + "/auth.login", login, b"{}") as answer:
        authorization = "Bearer " + json.load(answer)["data"]["token"]
with ask(address, authorization, limit=600) as answer, open(target, "wb") as file:
    shutil.copyfileobj(answer, file)
END
    elif [ -n "$log_in" ]; then
        fail "python3 is needed to fetch clearml-alerts from ClearML's file server, and this machine has none"
    elif command -v curl >/dev/null 2>&1; then
        curl -fsSL -o "$1" "$address"
    else
        wget -q -O "$1" "$address"
    fi
}

program=$(command -v clearml-alerts)
if [ -z "$program" ] && [ -n "$address" ]; then
    folder="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/clearml-alerts/$sha256"
    program="$folder/clearml-alerts"
    if ! is_right "$program"; then
        mkdir -p "$folder" || fail "clearml-alerts cannot be kept in $folder"
        echo "fetching clearml-alerts from $address"
        fetch "$program.$$" || fail "clearml-alerts cannot be fetched from $address"
        is_right "$program.$$" || fail "what is at $address is not clearml-alerts: its SHA-256 is not $sha256"
        chmod 755 "$program.$$" && mv -f "$program.$$" "$program" || fail "clearml-alerts cannot be kept in $folder"
    fi
fi
[ -n "$program" ] || fail "there is no clearml-alerts on this agent's PATH ($PATH): install it there, or enqueue the monitor again with --docker-image, --binary-url or --upload-binary"
"$program" --version >/dev/null 2>&1 || fail "$program cannot be run on this machine ($(uname -s) $(uname -m)): it may have been built for another one"
exec "$program" run
"#;

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use url::Url;

    use super::*;

    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    /// Runs the script in a world of its own; answers its exit code and what it printed, both streams together.
    fn run(script: &str, folder: &std::path::Path, path: &str) -> (i32, String) {
        let file = folder.join("run.sh");
        std::fs::write(&file, script).unwrap();
        let mut command = Command::new("/bin/sh");
        command.arg(&file).env_clear().env("PATH", path).env("HOME", folder).stdin(Stdio::null());
        let output = command.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(told).unwrap())
    }

    fn program_in(folder: &std::path::Path, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = folder.join("clearml-alerts");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn no_line_looks_like_a_patch() {
        let address = Url::parse("https://example.com/it's").unwrap();
        let script = service_script(&Program::Download { address, sha256: SHA256.to_owned() });
        assert!(script.lines().all(|line| !line.starts_with("diff ")));
        assert!(script.starts_with("#!/bin/sh\n") && !script.contains('@'), "{script}");
    }

    #[test]
    fn a_program_on_the_path_is_run() {
        let folder = tempfile::tempdir().unwrap();
        program_in(folder.path(), "#!/bin/sh\n[ \"$1\" = --version ] || echo started with \"$@\"\nexit 0\n");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        assert_eq!(
            run(&service_script(&Program::Installed), folder.path(), &path),
            (0, "started with run\n".to_owned())
        );
    }

    #[test]
    fn its_exit_code_is_the_scripts() {
        let folder = tempfile::tempdir().unwrap();
        program_in(folder.path(), "#!/bin/sh\n[ \"$1\" = --version ] || exit 6\n");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        assert_eq!(run(&service_script(&Program::Installed), folder.path(), &path).0, 6);
    }

    #[test]
    fn a_missing_program_ends_with_a_clear_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let (code, told) = run(&service_script(&Program::Installed), folder.path(), "/usr/bin:/bin");
        assert_eq!(code, 1);
        let last = told.lines().last().unwrap();
        assert!(
            last.starts_with("error: there is no clearml-alerts on this agent's PATH (/usr/bin:/bin): install"),
            "{told}"
        );
    }

    #[test]
    fn a_program_of_another_machine_is_told_from_a_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        program_in(folder.path(), "\u{7f}ELF not for here");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let (code, told) = run(&service_script(&Program::Installed), folder.path(), &path);
        assert!(code == 1 && told.contains("cannot be run on this machine ("), "{told}");
    }

    #[test]
    fn what_is_already_fetched_is_run_and_what_was_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let text = "#!/bin/sh\n[ \"$1\" = --version ] || echo fetched before\n";
        let sha256 = super::super::enqueue::sha256_of(text.as_bytes());
        let kept = folder.path().join(".cache/clearml-alerts").join(&sha256);
        std::fs::create_dir_all(&kept).unwrap();
        program_in(&kept, text);
        // Nothing listens there.
        let address = Url::parse("http://127.0.0.1:9/clearml-alerts").unwrap();
        let script = service_script(&Program::Download { address, sha256 });
        assert_eq!(run(&script, folder.path(), "/usr/bin:/bin"), (0, "fetched before\n".to_owned()));
        program_in(&kept, "#!/bin/sh\necho something else\n");
        let (code, told) = run(&script, folder.path(), "/usr/bin:/bin");
        assert!(code == 1 && told.ends_with("cannot be fetched from http://127.0.0.1:9/clearml-alerts\n"), "{told}");
    }
}
