//! Who and what there is on the server: users and projects, read to the last page.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::answer::tidy;
use super::client::Client;
use super::config::LARGEST_PAGE;
use super::error::ClearmlError;
use super::rows::named;
use crate::domain::Named;

/// A list longer than this many pages is an error: it is the server that repeats itself.
const LONGEST_LIST_PAGES: usize = 2_000;

/// A user of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// ClearML's ID.
    pub id: String,
    /// The name that people see; the ID where there is none.
    pub name: String,
}

impl Client {
    /// The projects whose full path (`a/b/c`) matches `pattern`, a regular expression of Python's, case-sensitive and
    /// unanchored; an empty one matches all. Hidden projects (pipelines, datasets, reports) only where asked for.
    pub async fn projects_matching(&self, pattern: &str, include_hidden: bool) -> Result<Vec<Named>, ClearmlError> {
        let question = json!({"name": pattern, "only_fields": ["id", "name"], "search_hidden": include_hidden});
        self.list("projects.get_all", "projects", question).await
    }

    /// Every user of the server.
    pub async fn users(&self) -> Result<Vec<User>, ClearmlError> {
        let listed = self.list("users.get_all", "users", json!({"only_fields": ["id", "name"]})).await?;
        let user = |named: Named| User { name: named.label().to_owned(), id: named.id };
        Ok(listed.into_iter().map(user).collect())
    }

    /// Everything that `endpoint` lists under `key`, by page number up to the last page, and where there are several, back
    /// down again: a deletion meanwhile moves later members a place down, past a reader on the way up but not on the
    /// way down. A project overlooked would be alerts overlooked.
    pub(super) async fn list(&self, endpoint: &str, key: &str, question: Value) -> Result<Vec<Named>, ClearmlError> {
        let page_size = self.page_size().min(LARGEST_PAGE);
        let mut gathered = Gathered::default();
        let mut last = 0;
        loop {
            let page = self.list_page(endpoint, key, &question, last).await?;
            let (full, brought_news) = (page.len() >= page_size, gathered.add(page));
            if !full {
                break;
            }
            if !brought_news || last >= LONGEST_LIST_PAGES {
                return Err(ClearmlError::protocol(endpoint, "page after page brings the same members"));
            }
            last += 1;
        }
        for page in (0..last).rev() {
            gathered.add(self.list_page(endpoint, key, &question, page).await?);
        }
        Ok(gathered.members)
    }

    async fn list_page(
        &self,
        endpoint: &str,
        key: &str,
        question: &Value,
        page: usize,
    ) -> Result<Vec<Named>, ClearmlError> {
        let mut body = question.clone();
        body["page"] = json!(page);
        body["page_size"] = json!(self.page_size());
        let mut answer: Map<String, Value> = self.call(endpoint, &body).await?;
        let Some(Value::Array(members)) = answer.remove(key) else {
            return Err(ClearmlError::protocol(endpoint, format!("it has no list of {key}")));
        };
        let member = |value: &Value| named(value).ok_or_else(|| tidy(&format!("a member of {key} has no ID")));
        let members: Result<Vec<_>, _> = members.iter().map(member).collect();
        members.map_err(|what| ClearmlError::protocol(endpoint, what))
    }
}

#[derive(Default)]
struct Gathered {
    ids: HashSet<String>,
    members: Vec<Named>,
}

impl Gathered {
    /// Adds what is new; says whether anything was.
    fn add(&mut self, page: Vec<Named>) -> bool {
        let known = self.members.len();
        self.members.extend(page.into_iter().filter(|member| self.ids.insert(member.id.clone())));
        self.members.len() > known
    }
}
