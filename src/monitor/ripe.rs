//! Which alerts can be composed now, and which wait for the last lines of their consoles. A wait ends by a timer of ours,
//! however wrong any clock is, and nothing of it is stored: after a restart the console is as complete as it gets.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{PendingAlert, Stamp, console_lag};

/// Alerts that were seen too early, and when they are ripe.
#[derive(Debug, Default)]
pub(super) struct Ripening(HashMap<i64, Instant>);

impl Ripening {
    /// The alerts whose consoles are complete, and when the first of the others is. `server_time` is ClearML's; where it
    /// is not known nothing waits. No alert waits for longer than `longest`.
    pub(super) fn sort(
        &mut self,
        alerts: Vec<PendingAlert>,
        server_time: Option<Stamp>,
        longest: Duration,
        now: Instant,
    ) -> (Vec<PendingAlert>, Option<Instant>) {
        let mut first: Option<Instant> = None;
        let mut ripe = Vec::new();
        for alert in alerts {
            let known = self.0.get(&alert.id).copied();
            let lag = || console_lag(&alert.task, server_time?.since(alert.task.status_changed), longest);
            match known.or_else(|| lag().map(|lag| now + lag)).filter(|at| *at > now) {
                Some(at) => {
                    self.0.insert(alert.id, at);
                    first = Some(first.map_or(at, |first| first.min(at)));
                }
                None => ripe.push(alert),
            }
        }
        self.0.retain(|_, at| *at > now);
        (ripe, first)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{Outcome, Status, Task};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(6);

    fn alert(id: i64, reason: &str) -> PendingAlert {
        let task = Task {
            id: format!("{id:032}"),
            name: "train".to_owned(),
            kind: None,
            status: Status::Failed,
            status_changed: Stamp::from_millis(1_000_000),
            status_reason: Some(reason.to_owned()),
            status_message: None,
            started: None,
            completed: None,
            active_duration: None,
            last_update: None,
            last_iteration: 0,
            project: None,
            user: None,
            tags: Vec::new(),
            system_tags: Vec::new(),
            parent: None,
            worker: None,
            queue: None,
            metrics: Vec::new(),
        };
        let channel = "#ml".to_owned();
        let (rule, url, why, waited) = ("default".to_owned(), None, None, None);
        PendingAlert { id, rule, run: 1, outcome: Outcome::Failed, episode: 0, channel, task, url, why, waited }
    }

    fn ids(alerts: &[PendingAlert]) -> Vec<i64> {
        alerts.iter().map(|alert| alert.id).collect()
    }

    #[test]
    fn a_young_alert_waits_for_its_last_lines_and_holds_no_other_up() {
        let (mut ripening, start) = (Ripening::default(), Instant::now());
        let two_later = Some(Stamp::from_millis(1_002_000));
        let both = || vec![alert(1, "Exception"), alert(2, "worker execution exit code 1")];
        let (ripe, first) = ripening.sort(both(), two_later, LONGEST, start);
        assert_eq!((ids(&ripe), first), (vec![2], Some(start + Duration::from_secs(4))));
        let (ripe, first) = ripening.sort(both(), two_later, LONGEST, start + Duration::from_secs(4));
        assert_eq!((ids(&ripe), first), (vec![1, 2], None));
    }

    #[test]
    fn no_clock_makes_an_alert_wait_for_longer_than_its_bound() {
        let young = || vec![alert(1, "Exception")];
        let hour_behind = Some(Stamp::from_millis(-2_600_000));
        let (mut ripening, start) = (Ripening::default(), Instant::now());
        assert_eq!(ripening.sort(young(), hour_behind, LONGEST, start).1, Some(start + LONGEST));
        let (ripe, _) = ripening.sort(young(), hour_behind, LONGEST, start + LONGEST);
        assert_eq!(ids(&ripe), [1], "however young it looks");
        assert_eq!(ids(&Ripening::default().sort(young(), None, LONGEST, start).0), [1]);
    }
}
