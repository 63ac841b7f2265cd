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

/// The task's ID in what a person pasted: the address of one of its pages, or the ID itself.
pub fn task_id_in(pasted: &str) -> &str {
    let pasted = pasted.trim().trim_matches(['<', '>', '"', '\'']);
    let Some((_, path)) = pasted.split_once("://") else {
        return pasted;
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split('/').skip_while(|part| !matches!(*part, "tasks" | "experiments"));
    parts.nth(1).filter(|id| !id.is_empty()).unwrap_or(pasted)
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

    #[test]
    fn the_task_is_found_in_any_of_its_addresses() {
        for pasted in [
            "0123456789abcdef",
            "  0123456789abcdef\n",
            "https://app.example.com/projects/p1/tasks/0123456789abcdef/output/log",
            "https://app.example.com/projects/*/experiments/0123456789abcdef/execution?columns=selected&columns=type",
            "<https://app.example.com/projects/p1/tasks/0123456789abcdef>",
            "https://example.com/clearml/projects/p1/tasks/0123456789abcdef/info-output/metrics/scalar#x",
        ] {
            assert_eq!(task_id_in(pasted), "0123456789abcdef", "{pasted}");
        }
        for other in ["https://app.example.com/projects/p1", "https://app.example.com/projects/p1/tasks/", ""] {
            assert_eq!(task_id_in(other), other);
        }
    }
}
