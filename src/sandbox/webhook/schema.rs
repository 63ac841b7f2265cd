//! Holds JSON against the schema that receivers are given, `docs/webhook.schema.json`: the part of JSON Schema (2020-12)
//! that it uses. A word that is not understood is a problem too, so that nothing passes because it was not looked at.

use regex::Regex;
use serde_json::{Map, Value};

/// The published schema.
const PUBLISHED: &str = include_str!("../../../docs/webhook.schema.json");

/// Words that say nothing about what is valid.
const REMARKS: [&str; 4] = ["$schema", "title", "description", "$defs"];

/// What is wrong with a document by the published schema.
pub fn problems(document: &Value) -> Vec<String> {
    match serde_json::from_str(PUBLISHED) {
        Ok(schema) => Validator { root: &schema }.problems(&schema, document, "the document"),
        Err(error) => vec![format!("the schema is no JSON: {error}")],
    }
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn problems(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let Some(words) = schema.as_object() else {
            return if schema == &Value::Bool(true) { Vec::new() } else { vec![format!("{place} is not allowed")] };
        };
        words.iter().flat_map(|(word, wanted)| self.by_word(word, wanted, words, value, place)).collect()
    }

    fn by_word(
        &self,
        word: &str,
        wanted: &Value,
        schema: &Map<String, Value>,
        value: &Value,
        place: &str,
    ) -> Vec<String> {
        let unless = |holds: bool, what: String| if holds { Vec::new() } else { vec![format!("{place} {what}")] };
        let length = |value: &Value| value.as_array().map(Vec::len).or_else(|| Some(value.as_str()?.chars().count()));
        let list = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
        match word {
            _ if REMARKS.contains(&word) => Vec::new(),
            "$ref" => match wanted.as_str().and_then(|path| self.root.pointer(path.trim_start_matches('#'))) {
                Some(referred) => self.problems(referred, value, place),
                None => vec![format!("the schema refers to {wanted}, which is not there")],
            },
            "type" => {
                let types = if wanted.is_string() { std::slice::from_ref(wanted) } else { list };
                unless(types.iter().any(|each| is_of_type(value, each)), format!("is not {wanted}"))
            }
            "const" => unless(value == wanted, format!("is not {wanted}")),
            "enum" => unless(list.contains(value), format!("is none of {wanted}")),
            "minLength" | "minItems" => unless(
                length(value).is_none_or(|length| Some(length as u64) >= wanted.as_u64()),
                format!("is shorter than {wanted}"),
            ),
            "minimum" => {
                unless(value.as_f64().is_none_or(|value| Some(value) >= wanted.as_f64()), format!("is below {wanted}"))
            }
            "pattern" => {
                let pattern = wanted.as_str().and_then(|pattern| Regex::new(pattern).ok());
                let fits = pattern.is_some_and(|pattern| value.as_str().is_none_or(|text| pattern.is_match(text)));
                unless(fits, format!("does not look like {wanted}"))
            }
            "required" => {
                let names = list.iter().filter_map(Value::as_str);
                let missing = |name: &&str| value.as_object().is_some_and(|fields| !fields.contains_key(*name));
                names.filter(missing).map(|name| format!("{place} has no `{name}`")).collect()
            }
            "properties" => self.properties(wanted, value, place),
            "additionalProperties" if wanted == &Value::Bool(false) => {
                let known = schema.get("properties").and_then(Value::as_object);
                let names = value.as_object().into_iter().flat_map(Map::keys);
                let unknown = names.filter(|name| known.is_none_or(|known| !known.contains_key(*name)));
                unknown.map(|name| format!("{place} has `{name}`, which the schema does not know")).collect()
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(at, item)| self.problems(wanted, item, &format!("{place}[{at}]"))).collect()
            }
            "oneOf" | "anyOf" => {
                let fitting = list.iter().filter(|each| self.problems(each, value, place).is_empty()).count();
                unless(fitting == 1 || (fitting > 1 && word == "anyOf"), format!("fits {fitting} of {word}"))
            }
            _ => vec![format!("the schema says `{word}`, which is not understood here")],
        }
    }

    fn properties(&self, wanted: &Value, value: &Value, place: &str) -> Vec<String> {
        let fields = value.as_object().into_iter().flatten();
        let known = fields.filter_map(|(name, value)| Some((name, value, wanted.get(name)?)));
        known.flat_map(|(name, value, schema)| self.problems(schema, value, &format!("{place}.{name}"))).collect()
    }
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    match wanted.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::console::ConsoleTail;
    use crate::domain::decide::tests::task;
    use crate::domain::{Cause, Outcome, PendingAlert, Stamp, Status, Task, Why};
    use crate::webhook::event::{self, AlertEvent, Envelope};

    fn alert(task: Task) -> PendingAlert {
        let (rule, channel) = ("vision".to_owned(), "webhook:ops".to_owned());
        PendingAlert {
            id: 1,
            rule,
            run: 2,
            outcome: Outcome::Failed,
            episode: 0,
            channel,
            task,
            why: None,
            waited: None,
            url: Some("https://e.com".to_owned()),
        }
    }

    fn read(document: &str) -> Value {
        serde_json::from_str(document).unwrap()
    }

    const ENVELOPE: Envelope<'_> = Envelope {
        key: "i:k",
        instance: "i",
        server: "api.example.com",
        created_at: Stamp::from_millis(1_795_386_448_021),
    };

    #[test]
    fn every_document_is_as_the_schema_says() {
        let full = alert(task(Status::Failed));
        let bare = Task {
            project: None,
            user: None,
            queue: None,
            worker: None,
            kind: None,
            started: None,
            status_reason: Some("  ".to_owned()),
            ..full.task.clone()
        };
        let console = ConsoleTail { lines: vec!["<!channel> \u{1F389}".to_owned()], cut: true };
        let why = Why { cause: Cause::Crash, detail: "ValueError: no".to_owned() };
        let pages = [None, Some("https://e.com/p")];
        for project_url in pages {
            for (console, why, follows) in [(None, None, None), (Some(&console), Some(&why), Some("i:r/t/1/failed"))] {
                let document = event::alert(ENVELOPE, AlertEvent { alert: &full, why, project_url, console, follows });
                assert_eq!(problems(&read(&document)), Vec::<String>::new());
            }
        }
        let many = [full.clone(), alert(bare)];
        let digest = read(&event::digest(ENVELOPE, &many));
        assert_eq!(problems(&digest), Vec::<String>::new());
        assert_eq!(digest["alerts"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&digest["alerts"][1]["reason"], &digest["alerts"][1]["task"]["user"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(problems(&read(&event::notice(ENVELOPE, "started"))), Vec::<String>::new());
    }

    #[test]
    fn endless_words_are_cut() {
        let endless = Task { name: "n".repeat(5_000), status_reason: Some("r".repeat(50_000)), ..task(Status::Failed) };
        let alert = alert(endless);
        let document = read(&event::alert(
            ENVELOPE,
            AlertEvent { alert: &alert, why: None, project_url: None, console: None, follows: None },
        ));
        let length = |value: &Value| value.as_str().unwrap().chars().count();
        assert_eq!((length(&document["alert"]["task"]["name"]), length(&document["alert"]["reason"])), (1_000, 8_000));
    }

    #[test]
    fn what_the_schema_forbids_is_found() {
        let alert = alert(task(Status::Failed));
        let good = read(&event::alert(
            ENVELOPE,
            AlertEvent { alert: &alert, why: None, project_url: None, console: None, follows: None },
        ));
        let spoiled = |path: &str, value: Value| {
            let mut document = good.clone();
            *document.pointer_mut(path).unwrap() = value;
            problems(&document)
        };
        for (path, value) in [
            ("/version", json!(2)),
            ("/event", json!("digest")),
            ("/event", json!("other")),
            ("/key", json!("")),
            ("/created_at", json!("yesterday")),
            ("/alert/outcome", json!("exploded")),
            ("/alert/run", json!(0)),
            ("/alert/run", json!(1.5)),
            ("/alert/follows", json!(1)),
            ("/alert/task/name", Value::Null),
            ("/alert/task/tags", json!([1])),
            ("/alert/task", json!({})),
            ("/alert/console", json!({"lines": [], "cut": 1})),
        ] {
            assert!(!spoiled(path, value.clone()).is_empty(), "{path} {value}");
        }
        let mut more = good.clone();
        more["alert"]["surprise"] = json!(1);
        assert_eq!(problems(&more), ["the document.alert has `surprise`, which the schema does not know"]);
        let validator = Validator { root: &Value::Null };
        assert_eq!(validator.problems(&json!({"maxLength": 3}), &json!(""), "it").len(), 1);
    }
}
