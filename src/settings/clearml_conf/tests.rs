//! Tests of the reader: the samples with what ClearML's own parser reads from them, the grammar piece by piece, and
//! texts that are out to break it.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::settings::environment::MapEnvironment;

const HERE: &str = "/etc/clearml/clearml.conf";

fn read_with(text: &str, environment: &MapEnvironment) -> Result<ApiBlock, ConfError> {
    read(text, Path::new(HERE), environment)
}

fn block(text: &str) -> ApiBlock {
    read_with(text, &MapEnvironment::new()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn api_server(text: &str) -> Option<String> {
    block(text).api_server
}

fn problem(text: &str) -> String {
    read_with(text, &MapEnvironment::new()).err().unwrap_or_else(|| panic!("was read: {text:.200}")).to_string()
}

fn revealed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

/// What a block says, by the names that `expected.json` uses.
fn as_map(block: &ApiBlock) -> BTreeMap<&'static str, String> {
    let entries = [
        ("api_server", block.api_server.clone()),
        ("host", block.host.clone()),
        ("web_server", block.web_server.clone()),
        ("files_server", block.files_server.clone()),
        ("verify_certificate", block.verify_certificate.as_ref().map(|text| text.to_lowercase())),
        ("access_key", revealed(block.access_key.as_ref()).map(str::to_owned)),
        ("secret_key", revealed(block.secret_key.as_ref()).map(str::to_owned)),
    ];
    entries.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[test]
fn reads_from_each_sample_what_clearml_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clearml-conf");
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, serde_json::Value> = serde_json::from_str(&expected).unwrap();
    let environment = MapEnvironment::new().with("SUFFIX", "/x");
    let mut samples = 0;
    for (name, settings) in expected.iter().filter(|(_, settings)| settings.is_object()) {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let block = read_with(&text, &environment).unwrap_or_else(|error| panic!("{name}: {error}"));
        let meant: BTreeMap<&str, String> = settings
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        assert_eq!(as_map(&block), meant, "{name}");
        assert_eq!(block.warnings.len(), usize::from(text.contains("include ")), "{name}: {:?}", block.warnings);
        samples += 1;
    }
    assert_eq!(samples, 3);
}

#[test]
fn the_sample_with_every_trick_depends_on_the_environment() {
    let text = include_str!("../../../fixtures/clearml-conf/with-every-trick.conf");
    assert!(problem(text).contains("SUFFIX"), "{}", problem(text));
    let without_the_later_secret = text.replace(r#"secret_key: "fake\"quoted\\secret""#, "");
    let environment = MapEnvironment::new().with("SUFFIX", "").with("FAKE_SECRET_FROM_ENV", "from-the-environment");
    let block = read_with(&without_the_later_secret, &environment).unwrap();
    assert_eq!(revealed(block.secret_key.as_ref()), Some("from-the-environment"));
    assert_eq!(block.files_server.as_deref(), Some("http://files.example.com"));
}

#[test]
fn the_spellings_of_a_setting() {
    for text in [
        "api { api_server: https://a.example.com }",
        "api { api_server = https://a.example.com, }",
        "api{api_server:https://a.example.com}",
        "{ \"api\": { \"api_server\": \"https://a.example.com\" } }",
        "api.api_server: https://a.example.com # a comment",
        "api.api_server: https://a.example.com // a comment",
        "\"api\".\"api_server\" = https://a.example.com\r\n",
        "\u{feff}api\n{\n  api_server\n  :\n  https://a.example.com\n}\n",
        "api: {}, api = { api_server: \"\"\"https://a.example.com\"\"\" }",
        "api { api_server: \"https://\"a.example.com }",
        "api { api_server: https://\"a.example\".com }",
        "name = a.example.com, api.api_server = \"https://\"${name}",
        "api { api_server: https://${api.name}, name: a.example.com }",
        "settings.api_server = https://a.example.com\napi = ${settings}",
        "base { api_server: https://a.example.com }\napi = ${base} { web_server: x }",
        "api { api_server: https://a.example.com } ${?absent}",
        "api.api_server: https://a.example.com\napi.api_server = ${?absent}",
        "api { api_server: https://a.example.com }\napi = ${?absent}\napi { web_server: x }",
        "git+ssh: 1, a b : 2, \"c.d\" : 3, api.api_server: https://a.example.com",
    ] {
        assert_eq!(api_server(text).as_deref(), Some("https://a.example.com"), "{text}");
    }
}

#[test]
fn what_is_not_said_or_said_to_be_nothing_is_none() {
    for text in [
        "",
        "# nothing\n",
        "{}",
        "api {}",
        "api { api_server: null }",
        "api { api_server: \"\" }",
        "api { api_server: , web_server: x }",
        "api { api_server: }",
        "api { api_server: [a, b] }",
        "api { api_server { a: b } }",
        "api: text",
        "api { api_server: ${?absent} }",
        "agent { api { api_server: decoy } }",
        "\"api.api_server\": decoy",
        "api_server: decoy",
        "api { api_server: x }, api: 1",
        "api { api_server: x, api_server: null }",
        "api.api_server += x",
    ] {
        assert_eq!(api_server(text), None, "{text}");
    }
}

#[test]
fn the_last_duplicate_wins_and_blocks_merge() {
    let block =
        block("api { api_server: a, web_server: w }\nx: 1\napi { api_server: b }\napi.api_server: c, api.host = h");
    assert_eq!(block.api_server.as_deref(), Some("c"));
    assert_eq!(block.web_server.as_deref(), Some("w"));
    assert_eq!(block.host.as_deref(), Some("h"));
}

#[test]
fn odd_characters_in_values_are_kept() {
    for (written, meant) in [
        (r#""a#b//c{d}e,f:g=h$i[j]""#, "a#b//c{d}e,f:g=h$i[j]"),
        ("a!b@c*d&e^f~g$h?i+j=k:l`m'n\\o", "a!b@c*d&e^f~g$h?i+j=k:l`m'n\\o"),
        ("two words  inside", "two words  inside"),
        ("a#b", "a"),
        ("a$", "a$"),
    ] {
        let text = format!("api.credentials {{ secret_key: {written} \n}}");
        assert_eq!(revealed(block(&text).secret_key.as_ref()), Some(meant), "{written}");
    }
}

#[test]
fn references_that_lead_nowhere_matter_only_where_they_are_needed() {
    assert_eq!(api_server("agent.x = ${NOWHERE}, api.api_server = a").as_deref(), Some("a"));
    assert_eq!(api_server("api.api_server = ${NOWHERE}\napi.api_server = a").as_deref(), Some("a"));
    let told = problem("x: 1\napi.api_server = \"a\"${NOWHERE}");
    assert!(told.starts_with("line 2: `${NOWHERE}` is defined neither"), "{told}");
}

#[test]
fn a_reference_to_itself_means_the_environment() {
    let environment = MapEnvironment::new().with("api.api_server", "e");
    let block = read_with("api.api_server = ${api.api_server}/x", &environment).unwrap();
    assert_eq!(block.api_server.as_deref(), Some("e/x"));
    for text in
        ["api.api_server = ${a}, a = ${b}, b = ${a}", "api = ${api.api}", "api = ${?api.x} { api_server = ${api} }"]
    {
        let _ = read_with(text, &MapEnvironment::new());
    }
}

#[test]
fn includes_are_read_beside_the_file() {
    let environment = MapEnvironment::new()
        .with_file("/etc/clearml/keys.conf", "credentials { access_key: A, secret_key: S }\ninclude \"more/web.conf\"")
        .with_file("/etc/clearml/more/web.conf", "{ web_server: w, include \"files.conf\" }")
        .with_file("/etc/clearml/more/files.conf", "files_server = f");
    for include in ["include \"keys.conf\"", "include file(\"keys.conf\")", "include required(file(\"keys.conf\"))"] {
        let block = read_with(&format!("api {{ {include}\n api_server = a }}"), &environment).unwrap();
        let all = (block.api_server, block.web_server, block.files_server);
        assert_eq!(all, (Some("a".into()), Some("w".into()), Some("f".into())), "{include}");
        assert_eq!(revealed(block.access_key.as_ref()), Some("A"));
        assert!(block.warnings.is_empty());
    }
}

#[test]
fn includes_that_are_missing_are_told_and_do_not_hold_up() {
    let block =
        block("include \"absent.conf\"\ninclude url(\"https://example.com/x.conf\")\napi.api_server = a, include = 5");
    assert_eq!(block.api_server.as_deref(), Some("a"));
    assert_eq!(block.warnings.len(), 2, "{:?}", block.warnings);
    assert!(block.warnings[0].starts_with("line 1: the included file /etc/clearml/absent.conf cannot be read"));
    assert!(problem("include required(file(\"absent.conf\"))").contains("absent.conf"));
}

#[test]
fn a_broken_include_is_told_with_both_places() {
    let environment = MapEnvironment::new().with_file("/etc/clearml/broken.conf", "\n\na: {");
    let told = read_with("x: 1\ninclude \"broken.conf\"", &environment).unwrap_err().to_string();
    assert_eq!(told, "line 2: in the included file /etc/clearml/broken.conf, line 3: a `{` is not closed");
}

#[test]
fn files_that_include_each_other_come_to_an_end() {
    let environment = MapEnvironment::new().with_file(HERE, "include \"clearml.conf\"\ninclude \"clearml.conf\"");
    assert!(read_with("include \"clearml.conf\"", &environment).unwrap_err().problem.contains("more than 20 files"));
}

#[test]
fn malformed_texts_are_told_by_line_and_without_their_words() {
    for (text, told) in [
        ("api {\n  api_server: SECRET\n", "line 1: a `{` is not closed"),
        ("a: 1\nb: [SECRET, {x: 1}\n", "line 2: a `[` is not closed"),
        ("a: 1\nb: [SECRET }", "line 2: a `[` is not closed"),
        ("a: 1\n}", "line 2: a `}` closes nothing"),
        ("{ a: 1 }\nSECRET: 1", "line 2: something follows the brace that closes the file"),
        ("a: 1\nSECRET\nb: 2", "line 3: a name is not followed by `:`, `=` or `{`"),
        ("a: 1\n= SECRET", "line 2: a name is missing"),
        ("a: 1\n[SECRET]", "line 2: a name is missing"),
        ("a: 1\nb: \"SECRET\nc: 2", "line 2: a quoted text is not closed"),
        ("a: 1\nb: \"\"\"SECRET\n\n", "line 2: a quoted text is not closed"),
        ("a: ${SECRET\n}", "line 1: a `${` is not closed"),
        (
            "a: SECRET{ b: 1 }",
            "line 1: a `{` follows a text on its line: put quotes around the text, or a comma behind it",
        ),
        ("include file(SECRET)\n", "line 1: an `include` names no file"),
    ] {
        assert_eq!(problem(text), told, "{text}");
    }
}

#[test]
fn nothing_nests_deeper_than_the_stack() {
    let many = 300_000;
    for text in [
        "{".repeat(many),
        "a{".repeat(many),
        "a:[".repeat(many),
        format!("a:{}", "[".repeat(many)),
        format!("{}: 1", "a.".repeat(many)),
        format!("a: ${{{}a}}", "b.".repeat(many)),
        "a:[{".repeat(many),
    ] {
        assert!(read_with(&text, &MapEnvironment::new()).is_err());
    }
}

#[test]
fn references_that_multiply_are_given_up() {
    let doubling = |level: usize| format!("a{level} = ${{a{}}}${{a{}}}", level + 1, level + 1);
    let following = |level: usize| format!("a{level} = ${{a{}}}", level + 1);
    let lines = |line: &dyn Fn(usize) -> String, count| (0..count).map(line).collect::<Vec<_>>().join("\n");
    for definitions in [lines(&doubling, 40), lines(&following, 100_000)] {
        let told = problem(&format!("api.api_server = ${{a0}}\na40 = x\n{definitions}"));
        assert!(told.contains("without an end"), "{told}");
    }
}

#[test]
fn a_large_file_is_read_in_one_pass() {
    for part in [
        "api.x = ${?a}\n",
        "api { y: [1, \"2\", {z: 3}] }\n",
        "# comment\n",
        "a \"b\" c. d : 'x' ${y} z\n",
        "\"\"\"\"",
        "$",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        let _ = read_with(&text, &MapEnvironment::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in "(api|credentials|include|a|file\\(|[{}\\[\\]:=,.+\"#/$?\n \\\\]|\\$\\{|\"\"\"|\\PC){0,40}") {
        let _ = read_with(&text, &MapEnvironment::new());
    }

    #[test]
    fn what_is_quoted_is_read_as_it_was(secret in "[^\\p{C}]{1,30}", comment in "[^\n]{0,20}") {
        let quoted = serde_json::to_string(&secret).unwrap();
        let text = format!("# {comment}\napi {{ credentials {{\"secret_key\": {quoted}}} // {comment}\n}}");
        let block = block(&text);
        let meant = Some(secret.as_str()).filter(|secret| !matches!(secret.trim(), "" | "null"));
        prop_assert_eq!(revealed(block.secret_key.as_ref()), meant);
    }

    #[test]
    fn any_json_is_read_over(depth in 0_usize..40, name in "\\PC{0,9}", number in any::<f64>()) {
        let mut value = serde_json::json!({ "api_server": "decoy", (name): [number, null, true, "\u{1}\"\\/", {}] });
        for _ in 0..depth {
            value = serde_json::json!([{ "nested": value }, []]);
        }
        let whole = serde_json::json!({ "agent": value, "api": { "api_server": "http://real.example.com" } });
        for text in [whole.to_string(), format!("{whole:#}")] {
            prop_assert_eq!(api_server(&text), Some("http://real.example.com".to_owned()));
        }
    }
}
