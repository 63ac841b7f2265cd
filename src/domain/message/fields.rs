//! The fields of an alert: those that its rule wants and that are known, in the rule's order.

use serde_json::{Value, json};

use super::alert::{AlertMessage, first_line, is_told};
use super::{mrkdwn, safe, words};
use crate::domain::rule::Field;
use crate::domain::{Cause, Named};

/// Slack's limit for the fields of one section.
const FIELDS_OF_A_SECTION: usize = 10;

/// The fields in as many sections as they need; none where there are no fields.
pub(super) fn field_sections(message: &AlertMessage<'_>) -> Vec<Value> {
    let wanted = message.style.fields.as_deref().unwrap_or(&Field::USUAL);
    let fields: Vec<Value> = wanted.iter().flat_map(|wanted| shown(*wanted, message)).collect();
    fields.chunks(FIELDS_OF_A_SECTION).map(|fields| json!({ "type": "section", "fields": fields })).collect()
}

/// What a field shows; nothing where it is not known.
fn shown(wanted: Field, message: &AlertMessage<'_>) -> Vec<Value> {
    let task = &message.alert.task;
    if wanted == Field::Status {
        let cause = message.why.map(|why| why.cause).filter(|cause| *cause != Cause::Unknown);
        let status = field("Status", words::outcome(message.alert.outcome));
        return std::iter::once(status).chain(cause.map(|cause| field("Cause", cause.label()))).collect();
    }
    let one = match wanted {
        Field::Status => None,
        Field::User => task.user_label().map(|user| field("User", &safe(user, 150))),
        Field::Iterations => Some(field("Iterations", &task.last_iteration.to_string())),
        Field::RunTime => task.run_time().map(|run_time| field("Run time", &words::duration(run_time))),
        Field::Worker => known(task.worker.as_deref()).map(|worker| field("Worker", &safe(worker, 200))),
        Field::Queue => task.queue.as_ref().map(|queue| field("Queue", &safe(Named::label(queue), 150))),
        Field::Reason => known(task.status_reason.as_deref().map(first_line))
            .filter(|reason| !is_told(message, reason))
            .map(|reason| field("Reason", &safe(reason, 500))),
        Field::When => Some(field("When", &words::moment(task.status_changed, &message.style.times))),
        Field::Tags => known(Some(task.tags.join(", ").as_str())).map(|tags| field("Tags", &safe(tags, 300))),
        Field::Metric => {
            message.metric.and_then(|metric| metric.shown(&task.metrics)).map(|value| metric_field(&value))
        }
    };
    one.into_iter().collect()
}

fn metric_field(value: &str) -> Value {
    field("Metric", &safe(value, 300))
}

fn known(words: Option<&str>) -> Option<&str> {
    words.filter(|words| !words.trim().is_empty())
}

fn field(name: &str, value: &str) -> Value {
    mrkdwn(&format!("*{name}*\n{value}"))
}
