//! What is made of rows and consoles: each cause by the words that ClearML, agents and programs write, and the promises
//! that hold for any text.

use proptest::prelude::*;

use super::*;
use crate::domain::decide::tests::task;
use crate::domain::{Status, console};

fn redactor() -> Redactor {
    static BUILT_IN: std::sync::LazyLock<Redactor> = std::sync::LazyLock::new(|| Redactor::new(Vec::new()));
    BUILT_IN.clone()
}

fn row(status: Status, reason: &str, message: &str) -> Task {
    Task { status_reason: Some(reason.to_owned()), status_message: Some(message.to_owned()), ..task(status) }
}

fn told(diagnosis: &Diagnosis) -> (Cause, String) {
    let Why { cause, detail } = diagnosis.why();
    (cause, detail)
}

/// The console as the compose step reads it.
fn shown(raw: &str) -> Vec<String> {
    let lines = console::tail(raw, 20_000, 256 * 1024).lines.join("\n");
    redactor().redact(&lines).lines().map(str::to_owned).collect()
}

fn of_console(reason: &str, raw: &str) -> (Cause, String) {
    let row =
        Diagnosis::of_row(&row(Status::Failed, reason, "Changed by clearml-agent gpu-01:0"), &redactor()).unwrap();
    told(&row.refined(&shown(raw)))
}

#[test]
fn what_the_row_alone_tells() {
    let agent = "Changed by clearml-agent gpu-01:0";
    for (status, reason, message, cause, detail) in [
        (
            Status::Stopped,
            "Forced stop (non-responsive)",
            "Forced stop (non-responsive)",
            Cause::NonResponsive,
            "non-responsive: stopped by the server's watchdog",
        ),
        (Status::Stopped, "", "Stopped by Ada", Cause::AbortedByUser, "stopped by Ada"),
        (Status::Stopped, "UI", "Stopped by tests", Cause::AbortedByUser, "stopped by tests"),
        (
            Status::Stopped,
            "task was stopped by tasks.stop",
            agent,
            Cause::AbortedByUser,
            "stopped by a user, through the agent or the SDK",
        ),
        (Status::Stopped, "user abort", agent, Cause::AbortedByUser, "stopped by a user, through the agent or the SDK"),
        (Status::Stopped, "USER ABORTED", "", Cause::AbortedByUser, "stopped by a user, through the agent or the SDK"),
        (Status::Stopped, "drained", agent, Cause::StoppedByAgent, "stopped by the agent: drained"),
        (Status::Stopped, "", "", Cause::StoppedBySdk, "stopped through the SDK"),
        (Status::Stopped, "", "Pipeline aborted", Cause::StoppedBySdk, "stopped through the SDK: Pipeline aborted"),
        (Status::Failed, "worker execution exit code 1", agent, Cause::ExitCode, "exit code 1"),
        (
            Status::Failed,
            "worker execution exit code -9",
            agent,
            Cause::Signal,
            "killed by SIGKILL (exit code -9), as the system does where memory runs out",
        ),
        (Status::Failed, "worker execution exit code 139", agent, Cause::Signal, "killed by SIGSEGV (exit code 139)"),
        (Status::Failed, "Signal 11", "", Cause::Signal, "killed by SIGSEGV"),
        (Status::Failed, "Signal None", "", Cause::ExitCode, "an exit code other than 0"),
        (Status::Failed, "Signal lost", "", Cause::MarkedFailed, "Signal lost"),
        (Status::Failed, "Exception 'val_f1'", "", Cause::Crash, "'val_f1'"),
        (
            Status::Failed,
            "Exception CUDA out of memory. Tried",
            "",
            Cause::CudaOutOfMemory,
            "CUDA out of memory. Tried",
        ),
        (
            Status::Failed,
            "failed cloning repository",
            agent,
            Cause::AgentError,
            "the agent could not run it: failed cloning repository",
        ),
        (
            Status::Failed,
            "RuntimeError: CUDA out of memory",
            "",
            Cause::CudaOutOfMemory,
            "RuntimeError: CUDA out of memory",
        ),
        (Status::Failed, "ValueError: bad lr\n  at step 3", "", Cause::Crash, "ValueError: bad lr"),
        (Status::Failed, "MemoryError", "", Cause::OutOfMemory, "MemoryError"),
        (Status::Failed, "", "loss diverged", Cause::MarkedFailed, "loss diverged"),
        (Status::Failed, " ", "", Cause::Unknown, ""),
    ] {
        let task = row(status, reason, message);
        let found = Diagnosis::of_row(&task, &redactor()).unwrap();
        assert_eq!(told(&found), (cause, detail.to_owned()), "{reason:?} {message:?}");
        assert_eq!(Cause::of(&task), Some(cause));
    }
    let archived = Task { system_tags: vec!["archived".to_owned()], ..row(Status::Stopped, "", "") };
    assert_eq!(Cause::of(&archived), Some(Cause::Unknown));
    for status in [Status::Completed, Status::Published, Status::InProgress, Status::Queued] {
        assert_eq!(Cause::of(&row(status, "worker execution done", "")), None);
    }
}

macro_rules! console {
    ($name:literal) => {
        include_str!(concat!("../../../fixtures/consoles/", $name, ".txt"))
    };
}

#[test]
fn what_the_console_adds() {
    let expected: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../fixtures/consoles/expected.json")).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/consoles");
    let consoles = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "txt"));
    assert_eq!(consoles.count(), expected.len(), "each console is in expected.json");
    for case in expected {
        let text = |name: &str| case[name].as_str().unwrap();
        let raw = std::fs::read_to_string(folder.join(text("console"))).unwrap();
        let cause = Cause::parse(text("cause")).unwrap();
        assert_eq!(of_console(text("reason"), &raw), (cause, text("detail").to_owned()), "{}", text("console"));
    }
}

#[test]
fn the_row_says_which_of_several_errors_was_the_end() {
    // The SDK gives the message alone: the console adds the type.
    assert_eq!(of_console("Exception 'val_f1'", console!("crash")).1, "KeyError: 'val_f1'");
    // What a library prints while the program falls down is not what brought it down.
    let falling =
        format!("{}\nrequests.exceptions.ConnectionError: upload failed\nAborted (core dumped)\n", console!("crash"));
    assert_eq!(of_console("worker execution exit code 1", &falling).1, "KeyError: 'val_f1'");
    // An earlier traceback that the program survived.
    assert_eq!(of_console("ValueError: loss is nan", console!("crash")).1, "ValueError: loss is nan");
    // A signal ends a program without a traceback, except for an abort.
    assert_eq!(of_console("worker execution exit code -15", console!("crash")).0, Cause::Signal);
    assert_eq!(of_console("worker execution exit code -6", console!("crash")).0, Cause::Crash);
    assert_eq!(of_console("Signal 9", console!("out-of-memory-slurm")).0, Cause::OutOfMemory);
    // Words of a program's own give way to what ended it.
    assert_eq!(
        of_console("", console!("killed")).1,
        "killed by SIGKILL (exit code 137), as the system does where memory runs out"
    );
    // Who stopped a task is not found in its console.
    let stopped = Diagnosis::of_row(&row(Status::Stopped, "", "Stopped by Ada"), &redactor()).unwrap();
    assert_eq!(stopped.clone().refined(&shown(console!("crash"))), stopped);
}

#[test]
fn what_only_looks_like_an_end() {
    for raw in [
        "Epoch 1: done\nloss: 0.3\nError rate: 4 %\n",
        "ValueError is raised where x < 0\n",
        "see https://example.com/KeyError: it helps\n",
        "CUDAError",
        "Traceback (most recent call last):\n",
        "Traceback (most recent call last):\n  File \"x.py\", line 1\n",
        "",
    ] {
        let (cause, detail) = of_console("worker execution exit code 1", raw);
        assert!(cause == Cause::ExitCode || raw == "CUDAError", "{raw:?}: {cause} {detail}");
    }
    let mut long_ago = console!("crash").to_owned();
    long_ago.push_str(&"going on\n".repeat(400));
    assert_eq!(of_console("worker execution exit code 1", &long_ago).0, Cause::ExitCode);
    let retried = format!("CUDA out of memory: trying again with a batch of 8\n{}", console!("crash"));
    assert_eq!(of_console("worker execution exit code 1", &retried).0, Cause::Crash);
}

#[test]
fn names_of_exceptions_that_do_not_say_so() {
    let with =
        |last: &str| format!("Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n    g()\n{last}\n");
    for last in [
        "KeyboardInterrupt",
        "AssertionError",
        "queue.Empty",
        "socket.timeout: timed out",
        "botocore.errorfactory.NoSuchKey: An error occurred (NoSuchKey)",
        "__main__.f.<locals>.Stop: enough",
        "ValueError: first line",
    ] {
        assert_eq!(of_console("worker execution exit code 1", &with(last)), (Cause::Crash, last.to_owned()));
    }
    assert_eq!(
        of_console("worker execution exit code 1", &with("ValueError: \nsecond line")).1,
        "ValueError: second line"
    );
}

#[test]
fn words_and_their_inverse() {
    for cause in Cause::ALL {
        assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        assert!(cause.as_str().chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'));
    }
    assert_eq!(Cause::parse("Crash"), None);
}

/// Pieces of consoles in any order, and any text between them.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("Traceback (most recent call last):\n".to_owned()),
        Just(
            "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: x (2 sub-exceptions)\n"
                .to_owned()
        ),
        Just("  +-+---------------- 1 ----------------\n    | ".to_owned()),
        Just("    +------------------------------------\n".to_owned()),
        Just("\nDuring handling of the above exception, another exception occurred:\n\n".to_owned()),
        Just("  File \"x.py\", line 1, in f\n    ^^^^\n".to_owned()),
        Just("RuntimeError: <!channel> password=hunter2hunter2 <https://evil.example.com|x>\n".to_owned()),
        Just("ChildFailedError: \n".to_owned()),
        Just("thread 'main' panicked at ".to_owned()),
        Just("panicked at '', x\n".to_owned()),
        Just("Exception in thread \"a".to_owned()),
        Just("terminate called after throwing an instance of '\n".to_owned()),
        Just("[rank0]: ".to_owned()),
        Just("(pid=1) | ".to_owned()),
        Just("Killed\n".to_owned()),
        Just("Stopped by ".to_owned()),
        Just("Exception ".to_owned()),
        Just("Signal ".to_owned()),
        Just("worker execution exit code 99999999999999999999".to_owned()),
        Just("Process failed, exit code -9223372036854775808\n".to_owned()),
        Just("\u{1b}[31m\r\u{8}\0\u{202e}".to_owned()),
        Just("漢👩‍👩‍👧‍👦é\n".to_owned()),
        Just(format!("ValueError: {}\n", "x".repeat(5_000))),
        any::<String>(),
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_becomes_one_short_harmless_line(
        (reason, message, raw) in (hostile(), hostile(), hostile()),
        status in prop_oneof![Just(Status::Failed), Just(Status::Stopped)],
    ) {
        let task = row(status, &reason, &message);
        let of_row = Diagnosis::of_row(&task, &redactor()).unwrap();
        let lines: Vec<String> = raw.lines().map(str::to_owned).collect();
        for diagnosis in [of_row.clone(), of_row.clone().refined(&shown(&raw)), of_row.refined(&lines)] {
            let Why { detail, .. } = diagnosis.why();
            prop_assert!(text::units(&detail) <= DETAIL_CHARACTERS);
            prop_assert!(!detail.chars().any(|letter| letter.is_control() || text::is_invisible_control(letter)), "{detail:?}");
            prop_assert_eq!(text::single_line(&detail), detail.trim_end());
        }
    }

    #[test]
    fn a_password_is_in_no_line(secret in "[a-zA-Z0-9]{12,20}", before in "[ -~]{0,40}") {
        let said = format!("ValueError: {before} password={secret}");
        let console = format!("Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n{said}\n");
        for (reason, raw) in [(said.as_str(), ""), ("worker execution exit code 1", console.as_str())] {
            let row = Diagnosis::of_row(&row(Status::Failed, reason, &said), &redactor()).unwrap();
            let Why { detail, .. } = row.refined(&shown(raw)).why();
            prop_assert!(!detail.contains(&secret), "{detail}");
        }
    }

    #[test]
    fn the_last_traceback_is_told_whatever_came_before(before in hostile(), bar in "[#|% 0-9]{0,30}") {
        let raw = format!(
            "{before}\n\nTraceback (most recent call last):\n  File \"x.py\", line 1, in f\n{bar}\n    g()\n    ^^^\nZeroDivisionError: division by zero\n"
        );
        let lines: Vec<String> = shown(&raw);
        let found = fatal::find(&lines).unwrap().why();
        prop_assert_eq!((found.cause, found.detail.as_str()), (Cause::Crash, "ZeroDivisionError: division by zero"));
    }
}

#[test]
fn a_long_console_takes_time_in_proportion() {
    for piece in ["Traceback (most recent call last):\n", "x\n", "  File\n", "A: b\n", "| ", "Error: x\n", "+---\n"] {
        let lines: Vec<String> = piece.repeat(200_000).lines().map(str::to_owned).collect();
        let row = Diagnosis::new(Cause::ExitCode);
        assert!(row.refined(&lines).why().detail.len() <= 3 * DETAIL_CHARACTERS);
    }
}
