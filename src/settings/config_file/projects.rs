//! Project patterns: `a/b` is that project, `a/**` is `a` and every project below it, `re:…` is a regular expression of
//! ClearML's, matched by the server.

use super::table::{At, Table};
use crate::domain::ProjectPattern;

/// Reads one pattern; what is none is refused.
pub(super) fn read(table: &Table<'_>, at: &At<String>) -> Option<ProjectPattern> {
    let text = at.value.trim();
    if let Some(expression) = text.strip_prefix("re:") {
        if expression.is_empty() {
            return table.refuse(at, text, "would match every project", "leave `projects` out for all of them");
        }
        return Some(ProjectPattern::regex(expression));
    }
    let (name, is_subtree) = match text.strip_suffix("/**") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let problem = match name {
        "" => "names no project",
        _ if name.contains('*') => "has a `*` that means nothing here",
        _ if name.starts_with('/') || name.ends_with('/') => "has a `/` at its end",
        _ if name.chars().any(char::is_control) => "has control characters in it",
        _ if is_subtree => return Some(ProjectPattern::Subtree(name.to_owned())),
        _ => return Some(ProjectPattern::Exact(name.to_owned())),
    };
    let remedy = "write a project's full name (\"vision/resnet\"), \"vision/**\" for it and all below it, or \"re:\" and a \
                  regular expression";
    table.refuse(at, &at.value, problem, remedy)
}
