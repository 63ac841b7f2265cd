//! Addresses of ClearML's web pages.

use super::task::Named;

/// Where ClearML's web application is, and how this server's version spells a task's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPages {
    /// The web application's address, without a slash at the end.
    base: String,
    /// `tasks` since server 2, `experiments` before.
    tasks_word: &'static str,
}

impl WebPages {
    /// For the web application at `base`; `server_version` is what the login token says (`2.0.0-613`). A version that is
    /// not known is taken for a current one.
    pub fn new(base: &str, server_version: Option<&str>) -> Self {
        let major = server_version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        let tasks_word = if major.is_some_and(|major| major < 2) { "experiments" } else { "tasks" };
        Self { base: base.trim_end_matches('/').to_owned(), tasks_word }
    }

    /// The page of a task's console.
    pub fn task(&self, project: Option<&Named>, task_id: &str) -> String {
        let project = project.map_or("*", |project| project.id.as_str());
        format!("{}/projects/{project}/{}/{task_id}/output/log", self.base, self.tasks_word)
    }

    /// A project's page.
    pub fn project(&self, project: &Named) -> String {
        format!("{}/projects/{}", self.base, project.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_follows_the_servers_version() {
        let project = Named { id: "p1".to_owned(), name: None };
        let page = |version| WebPages::new("https://app.example.com/", version).task(Some(&project), "t1");
        assert_eq!(page(Some("2.0.0-613")), "https://app.example.com/projects/p1/tasks/t1/output/log");
        assert_eq!(page(Some("1.17.0-554")), "https://app.example.com/projects/p1/experiments/t1/output/log");
        assert_eq!(page(None), "https://app.example.com/projects/p1/tasks/t1/output/log");
    }

    #[test]
    fn a_task_without_project_stands_under_the_star() {
        let pages = WebPages::new("https://app.example.com", None);
        assert_eq!(pages.task(None, "t1"), "https://app.example.com/projects/*/tasks/t1/output/log");
    }
}
