//! `last_metrics`: what the server keeps with a task of the scalars that were reported, so that nobody has to ask the
//! event store: the last, the lowest and the highest value of each series.
//!
//! Its shape is that of the API's schema (`LastMetricsEvent` in `clearml/backend_api/services/v2_20/tasks.py` of the SDK
//! 2.1.12); its keys are the MD5 of the names, as the SDK's `clearml/automation/optimization.py` asks for them, and as
//! `metric_stats` in the recorded exchanges has them.

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

const FIELD: &str = "last_metrics";

/// Takes a value of a series into the task's other fields.
pub(crate) fn report(fields: &mut Map<String, Value>, title: &str, series: &str, value: f64) {
    let all = fields.entry(FIELD.to_owned()).or_insert_with(|| json!({}));
    let kept = &mut all[key(title)][key(series)];
    let bound = |name: &str, of: fn(f64, f64) -> f64| {
        kept.get(name).and_then(Value::as_f64).map_or(value, |known| of(known, value))
    };
    let (lowest, highest) = (bound("min_value", f64::min), bound("max_value", f64::max));
    *kept = json!({
        "metric": title,
        "variant": series,
        "value": value,
        "min_value": lowest,
        "max_value": highest,
    });
}

fn key(name: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(name).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_the_lowest_and_the_highest_are_kept_under_the_keys_of_a_real_server() {
        let mut fields = Map::new();
        for value in [0.9, 0.25, 0.5] {
            report(&mut fields, "", "val", value);
        }
        report(&mut fields, "", "train", 7.0);
        // The key of the empty name, as recorded from a real server.
        let kept = &fields[FIELD]["d41d8cd98f00b204e9800998ecf8427e"];
        let expected = json!({"metric": "", "variant": "val", "value": 0.5, "min_value": 0.25, "max_value": 0.9});
        assert_eq!(kept[key("val")], expected);
        assert_eq!(kept[key("train")]["value"], 7.0);
    }
}
