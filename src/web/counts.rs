//! Counts instead of alerts: how many each project, user, outcome, rule, state or day has, and where they stand.

use maud::{Markup, html};

use super::address::{Asked, FIELDS};
use crate::domain::message::words;
use crate::store::{Group, GroupBy};

/// Counts as a table, each a way to its alerts.
pub(super) fn table(asked: &Asked, by: GroupBy, groups: &[Group]) -> Markup {
    if groups.is_empty() {
        return html! { p.empty { "No alerts match." } };
    }
    let field = FIELDS.iter().find(|(field, _)| *field == by).map_or("", |(_, name)| name);
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Alerts by " (field) } {
            table.counts {
                caption.unseen { "Alerts by " (field) }
                thead {
                    tr {
                        th scope="col" { (capital(field)) }
                        @for column in ["Alerts", "Sent", "Waiting", "Dead", "Suppressed"] { th scope="col" { (column) } }
                    }
                }
                tbody { @for group in groups { (row(asked, by, group)) } }
            }
        }
        @if groups.len() == asked.filter.limit {
            p { "The first " (words::number(groups.len())) "; the address takes " code { "limit" } " for up to 500." }
        }
    }
}

fn row(asked: &Asked, by: GroupBy, group: &Group) -> Markup {
    let numbers = [group.alerts, group.sent, group.waiting, group.dead, group.suppressed];
    let name = group.name.as_deref();
    html! {
        tr {
            th scope="row" {
                @match (name, name.and_then(|name| asked.href_of_group(by, name))) {
                    (Some(name), Some(href)) => a href=(href) { bdi { (name) } },
                    (name, _) => bdi { (name.unwrap_or("–")) },
                }
            }
            @for number in numbers { td { (words::number(number as usize)) } }
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
