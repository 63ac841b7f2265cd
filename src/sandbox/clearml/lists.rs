//! Filters on lists (`project`, `status`, `tags`, …): plain values, `-value`, and the `__$` operators.

use serde_json::Value;

use super::wire::ApiError;

/// What a list filter asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListFilter {
    include: Vec<String>,
    exclude: Vec<String>,
    /// All of the included values rather than any.
    all: bool,
    /// Only what has no value at all.
    empty: bool,
}

impl ListFilter {
    /// Reads a filter; `None` where it is absent, null or an empty list: no filter at all.
    pub(crate) fn read(field: &str, value: Option<&Value>) -> Result<Option<Self>, ApiError> {
        let values = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(values)) => values.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        if values.is_empty() {
            return Ok(None);
        }
        if values.iter().all(Value::is_null) {
            return Ok(Some(Self { empty: true, ..Self::default() }));
        }
        let mut filter = Self::default();
        let mut negate_next = false;
        for value in values.iter().filter(|value| !value.is_null()) {
            let Value::String(text) = value else {
                return Err(ApiError::value(format_args!(
                    "(invalid value type, string expected): field={field}, value={value}"
                )));
            };
            filter.add(field, text, &mut negate_next)?;
        }
        Ok(Some(filter))
    }

    fn add(&mut self, field: &str, text: &str, negate_next: &mut bool) -> Result<(), ApiError> {
        if let Some(operator) = text.strip_prefix("__$") {
            match operator {
                "not" => *negate_next = true,
                "all" | "and" => self.all = true,
                "any" | "or" => self.all = false,
                "nop" => *negate_next = false,
                _ => {
                    return Err(ApiError::value(format_args!(
                        "(Unsupported operator): field={field}, operator={text}"
                    )));
                }
            }
        } else if std::mem::take(negate_next) {
            self.exclude.push(text.to_owned());
        } else if let Some(excluded) = text.strip_prefix('-') {
            if excluded.is_empty() {
                return Err(ApiError::value(format_args!(
                    "(Missing value after the exclude prefix -): field={field}, value="
                )));
            }
            self.exclude.push(excluded.to_owned());
        } else {
            self.include.push(text.to_owned());
        }
        Ok(())
    }

    /// Whether these values pass.
    pub(crate) fn admits(&self, values: &[&str]) -> bool {
        let has = |wanted: &String| values.contains(&wanted.as_str());
        if self.empty {
            return values.is_empty();
        }
        if self.exclude.iter().any(has) {
            return false;
        }
        self.include.is_empty() || if self.all { self.include.iter().all(has) } else { self.include.iter().any(has) }
    }

    /// Whether a single value, which may be missing, passes.
    pub(crate) fn admits_one(&self, value: Option<&str>) -> bool {
        value.map_or_else(|| self.admits(&[]), |value| self.admits(&[value]))
    }

    /// Widens the included values.
    pub(crate) fn include_also(&mut self, values: impl IntoIterator<Item = String>) {
        self.include.extend(values);
    }

    /// The included values.
    pub(crate) fn included(&self) -> &[String] {
        &self.include
    }
}
