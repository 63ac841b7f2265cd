//! The decision: what a polled row means, and what every rule says to it. A pure function of its arguments.

use super::rule::{Filter, Rule, Subject, Verdict, suppressed};
use super::run::{Change, KnownTask, Observation, observe};
use super::silence::{Silence, Silences};
use super::task::{Outcome, Task};

/// What is to be recorded for one row of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happened to the task, and what to remember of it.
    pub observation: Observation,
    /// The verdicts that are worth a row, by the rule's position: every alert, every one that a silence keeps quiet, and
    /// where there is neither, that of the rule that came nearest. Empty where nothing ended.
    pub verdicts: Vec<RuleVerdict>,
    /// What every rule said, a letter each, in the order of the rules: [`ALERT`], or the filter's
    /// ([`Filter::letter`]). Empty where nothing ended.
    pub said: String,
}

/// The letter of a rule that alerts.
pub const ALERT: char = 'A';

/// One rule's verdict on one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The rule's position in the list that was asked.
    pub rule: usize,
    /// The outcome it judged.
    pub outcome: Outcome,
    /// What it said.
    pub verdict: Verdict,
    /// The silence that keeps it quiet, by number; a filter of the rule itself speaks first.
    pub silence: Option<i64>,
}

/// Decides what one polled row means, given what is known of its task and which silences are in force.
pub fn decide(known: Option<&KnownTask>, task: &Task, rules: &[Rule], silences: &Silences) -> Decision {
    let observation = observe(known, task);
    let (verdicts, said) = match observation.change {
        Change::Ended(outcome) => {
            let subject = Subject::new(task, outcome);
            let answers = ask(&subject, rules, silences);
            (worth_a_row(&subject, rules, &answers), answers.iter().map(Answer::letter).collect())
        }
        Change::Nothing | Change::Restamp | Change::Moved => (Vec::new(), String::new()),
    };
    Decision { observation, verdicts, said }
}

/// What every rule says to an outcome, in words.
pub fn hear(task: &Task, outcome: Outcome, rules: &[Rule], silences: &Silences) -> Vec<RuleVerdict> {
    let subject = Subject::new(task, outcome);
    let answers = ask(&subject, rules, silences);
    answers.iter().enumerate().map(|(position, answer)| answer.in_words(position, rules, &subject)).collect()
}

/// A rule's answer, before anybody wants to read it.
#[derive(Debug, Clone, Copy)]
enum Answer<'s> {
    Alert,
    Filtered(Filter),
    /// The rule at this position, before it, spoke and is the last to be asked where it does.
    Earlier(usize),
    Silenced(&'s Silence),
}

/// Asks the rules in order. One that does not continue is the last that may alert once it has spoken; that a silence
/// keeps it quiet makes no difference: a silence must not send to another channel what it keeps out of one.
fn ask<'s>(subject: &Subject<'_>, rules: &[Rule], silences: &'s Silences) -> Vec<Answer<'s>> {
    let mut last = None;
    let ask_one = |(position, rule): (usize, &Rule)| {
        if let Some(filter) = rule.filter(subject) {
            return Answer::Filtered(filter);
        }
        if let Some(earlier) = last {
            return Answer::Earlier(earlier);
        }
        if !rule.continues {
            last = Some(position);
        }
        silences.covering(subject.task, subject.outcome, &rule.name).map_or(Answer::Alert, Answer::Silenced)
    };
    rules.iter().enumerate().map(ask_one).collect()
}

fn worth_a_row(subject: &Subject<'_>, rules: &[Rule], answers: &[Answer<'_>]) -> Vec<RuleVerdict> {
    let spoke = |answer: &Answer<'_>| matches!(answer, Answer::Alert | Answer::Silenced(_));
    let all = answers.iter().enumerate();
    let spoken: Vec<RuleVerdict> = all
        .filter(|(_, answer)| spoke(answer))
        .map(|(position, answer)| answer.in_words(position, rules, subject))
        .collect();
    if !spoken.is_empty() {
        return spoken;
    }
    nearest(answers)
        .map(|position| {
            let mut verdict = answers[position].in_words(position, rules, subject);
            if let (Verdict::Suppressed(suppression), 2..) = (&mut verdict.verdict, rules.len()) {
                let asked = rules.len();
                suppression.detail.push_str(&format!(" (the nearest of {asked} rules, none of which matched)"));
            }
            verdict
        })
        .into_iter()
        .collect()
}

/// The position of the rule whose deciding filter is asked last; of several, the first.
fn nearest(answers: &[Answer<'_>]) -> Option<usize> {
    let depth = |position: &usize| answers[*position].filter();
    // `max_by_key` would take the last of several.
    (0..answers.len()).rev().max_by_key(depth)
}

impl Answer<'_> {
    fn filter(&self) -> Option<Filter> {
        match self {
            Self::Alert => None,
            Self::Filtered(filter) => Some(*filter),
            Self::Earlier(_) => Some(Filter::Earlier),
            Self::Silenced(_) => Some(Filter::Silence),
        }
    }

    fn letter(&self) -> char {
        self.filter().map_or(ALERT, Filter::letter)
    }

    fn in_words(&self, position: usize, rules: &[Rule], subject: &Subject<'_>) -> RuleVerdict {
        let suppression = match self {
            Self::Alert => None,
            Self::Filtered(filter) => Some(rules[position].words(*filter, subject)),
            Self::Earlier(earlier) => Some(suppressed(Filter::Earlier, format!("rule {} spoke", rules[*earlier].name))),
            Self::Silenced(silence) => Some(silence.suppression()),
        };
        RuleVerdict {
            rule: position,
            outcome: subject.outcome,
            verdict: suppression.map_or(Verdict::Alert, Verdict::Suppressed),
            silence: if let Self::Silenced(silence) = self { Some(silence.id) } else { None },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::rule::Destination;
    use crate::domain::rule::properties::{any_task, more, rule_of};
    use crate::domain::{Named, OutcomeSet, Stamp, Status};

    /// A rule that alerts every failure.
    pub(crate) fn watch_all() -> Rule {
        Rule::new(Rule::DEFAULT_NAME, Destination::Channel("#ml-alerts".to_owned()))
    }

    /// A task in the given status.
    pub(crate) fn task(status: Status) -> Task {
        Task {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            name: "train".to_owned(),
            kind: Some("training".to_owned()),
            status,
            status_changed: Stamp::from_millis(1_000),
            status_reason: None,
            status_message: None,
            started: Some(Stamp::from_millis(500)),
            completed: None,
            active_duration: Some(1),
            last_update: None,
            last_iteration: 7,
            project: Some(Named { id: "p1".to_owned(), name: Some("vision/resnet".to_owned()) }),
            user: Some(Named { id: "u1".to_owned(), name: Some("Ada".to_owned()) }),
            tags: Vec::new(),
            system_tags: Vec::new(),
            parent: None,
            worker: None,
            queue: None,
            metrics: Vec::new(),
        }
    }

    fn row(status: &str, changed: i64, started: Option<i64>, active: Option<i64>) -> Task {
        Task {
            status_changed: Stamp::from_millis(changed),
            started: started.map(Stamp::from_millis),
            active_duration: active,
            ..task(Status::parse(status))
        }
    }

    /// Plays rows in order and returns (run, outcome) of each that was alerted.
    fn play(rows: &[Task]) -> Vec<(u32, Outcome)> {
        let mut rule = watch_all();
        rule.conditions.outcomes = Outcome::ENDS.into_iter().collect();
        let mut known = None;
        let mut alerted = Vec::new();
        for each in rows {
            let decision = decide(known.as_ref(), each, std::slice::from_ref(&rule), &Silences::default());
            let run = decision.observation.known.run;
            alerted.extend(decision.verdicts.iter().map(|verdict| (run, verdict.outcome)));
            known = Some(decision.observation.known);
        }
        alerted
    }

    use Outcome::{Completed, Failed, Stopped};

    #[test]
    fn a_restamp_is_recorded_and_not_alerted() {
        let rows = [row("failed", 49_656, Some(47_396), Some(1)), row("failed", 50_677, Some(47_396), Some(1))];
        assert_eq!(play(&rows), [(1, Failed)]);
    }

    #[test]
    fn a_status_in_between_makes_a_new_run() {
        let rows = [
            row("failed", 1, Some(0), Some(1)),
            row("queued", 2, Some(0), Some(1)),
            row("failed", 3, Some(0), Some(1)),
        ];
        assert_eq!(play(&rows), [(1, Failed), (2, Failed)]);
    }

    #[test]
    fn another_start_makes_a_new_run_even_when_nothing_was_seen_in_between() {
        let rows = [row("failed", 1, Some(0), Some(1)), row("failed", 9, Some(8), Some(0))];
        assert_eq!(play(&rows), [(1, Failed), (2, Failed)]);
    }

    #[test]
    fn more_active_seconds_make_a_new_run() {
        let rows = [row("failed", 50_677, Some(47_396), Some(1)), row("failed", 52_803, Some(47_396), Some(5))];
        assert_eq!(play(&rows), [(1, Failed), (2, Failed)]);
    }

    #[test]
    fn published_after_completed_is_one_outcome() {
        let rows = [row("completed", 1, Some(0), Some(1)), row("published", 2, Some(0), Some(1))];
        assert_eq!(play(&rows), [(1, Completed)]);
    }

    #[test]
    fn another_outcome_of_the_same_run_is_alerted_once() {
        let rows = [
            row("stopped", 1, Some(0), Some(1)),
            row("failed", 2, Some(0), Some(1)),
            row("published", 3, Some(0), Some(1)),
        ];
        assert_eq!(play(&rows), [(1, Stopped), (1, Failed), (1, Completed)]);
    }

    #[test]
    fn an_outcome_that_comes_back_after_another_one_is_a_new_run() {
        let rows = [
            row("failed", 1, Some(0), Some(1)),
            row("stopped", 2, Some(0), Some(1)),
            row("failed", 3, Some(0), Some(1)),
        ];
        assert_eq!(play(&rows), [(1, Failed), (1, Stopped), (2, Failed)]);
    }

    #[test]
    fn a_stale_read_of_the_last_end_is_nothing() {
        let rows = [
            row("failed", 1, Some(0), Some(1)),
            row("in_progress", 2, Some(0), Some(1)),
            row("failed", 1, Some(0), Some(1)),
        ];
        assert_eq!(play(&rows), [(1, Failed)]);
    }

    #[test]
    fn the_abort_dance_is_one_outcome() {
        let rows = [
            row("in_progress", 1, Some(0), Some(1)),
            row("in_progress", 2, Some(0), Some(1)),
            row("stopped", 3, Some(0), Some(2)),
            row("stopped", 4, Some(0), Some(2)),
        ];
        assert_eq!(play(&rows), [(1, Stopped)]);
    }

    fn named(name: &str, change: impl FnOnce(&mut Rule)) -> Rule {
        let mut rule = Rule { name: name.to_owned(), ..watch_all() };
        change(&mut rule);
        rule
    }

    fn told(rules: &[Rule]) -> (String, Vec<String>) {
        let decision = decide(None, &task(Status::Failed), rules, &Silences::default());
        let told = |each: &RuleVerdict| match &each.verdict {
            Verdict::Alert => rules[each.rule].name.clone(),
            Verdict::Suppressed(why) => format!("{}: {why}", rules[each.rule].name),
        };
        (decision.said.clone(), decision.verdicts.iter().map(told).collect())
    }

    #[test]
    fn all_rules_speak_until_one_that_does_not_continue_has_spoken() {
        let last = named("last", |rule| rule.continues = false);
        let deaf = named("deaf", |rule| {
            rule.continues = false;
            rule.conditions.min_iterations = 8;
        });
        let rules = [deaf.clone(), named("first", |_| ()), last, deaf, named("after", |_| ())];
        assert_eq!(told(&rules), ("iAAie".to_owned(), vec!["first".to_owned(), "last".to_owned()]));
        let heard = hear(&task(Status::Failed), Failed, &rules, &Silences::default());
        assert_eq!(heard[4].verdict.suppression().unwrap().to_string(), "earlier: rule last spoke");
        assert_eq!(heard[3].verdict.suppression().unwrap().to_string(), "iterations: 7 of at least 8");
    }

    #[test]
    fn where_no_rule_alerts_the_nearest_is_told_and_of_several_the_first() {
        let status = named("status", |rule| rule.conditions.outcomes = OutcomeSet::default());
        let short = |name| named(name, |rule| rule.conditions.min_iterations = 8);
        let (said, told) = told(&[status.clone(), short("near"), short("as near"), status]);
        assert_eq!(said, "siis");
        let expected = "near: iterations: 7 of at least 8 (the nearest of 4 rules, none of which matched)";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn no_rule_at_all_says_nothing() {
        assert_eq!(told(&[]), (String::new(), Vec::new()));
    }

    /// One thing that can happen to a task on the server, between or at polls.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Reset,
        Enqueue,
        Start,
        Tick,
        End(Outcome),
        Publish,
        Poll,
        PollTwice,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            1 => Just(Event::Reset),
            1 => Just(Event::Enqueue),
            3 => Just(Event::Start),
            2 => Just(Event::Tick),
            4 => prop_oneof![Just(Failed), Just(Completed), Just(Stopped)].prop_map(Event::End),
            1 => Just(Event::Publish),
            6 => Just(Event::Poll),
            1 => Just(Event::PollTwice),
        ]
    }

    /// A slow, obvious model of the server and of what a reader of the polled rows must conclude: it keeps every polled
    /// row and looks through all of them each time.
    struct Model {
        row: Task,
        now: i64,
        polled: Vec<Task>,
        alerted: Vec<Outcome>,
    }

    impl Model {
        fn new() -> Self {
            Self { row: row("created", 0, None, None), now: 0, polled: Vec::new(), alerted: Vec::new() }
        }

        fn stamp(&mut self, status: &str) {
            self.row.status = Status::parse(status);
            self.row.status_changed = Stamp::from_millis(self.now);
        }

        fn happen(&mut self, event: Event) {
            self.now += 1_000;
            match event {
                Event::Reset => {
                    self.stamp("created");
                    self.row.started = None;
                    self.row.active_duration = None;
                }
                Event::Enqueue => self.stamp("queued"),
                Event::Start => {
                    self.stamp("in_progress");
                    self.row.started.get_or_insert(Stamp::from_millis(self.now));
                }
                Event::Tick if self.row.status == Status::InProgress => {
                    let started = self.row.started.map_or(self.now, Stamp::as_millis);
                    self.row.active_duration = Some((self.now - started) / 1_000);
                }
                Event::Tick => {}
                Event::End(outcome) => self.stamp(outcome.as_str()),
                Event::Publish => self.stamp("published"),
                Event::Poll => self.poll(),
                Event::PollTwice => {
                    self.poll();
                    self.poll();
                }
            }
        }

        fn poll(&mut self) {
            let row = self.row.clone();
            let seen = self.polled.iter().any(|p| p.status == row.status && p.status_changed == row.status_changed);
            if seen {
                return;
            }
            if let Some(outcome) = row.outcome()
                && self.is_news(&row, outcome)
            {
                self.alerted.push(outcome);
            }
            self.polled.push(row);
        }

        /// "Same task and outcome, seen again with a later stamp", read literally over everything polled so far.
        fn is_news(&self, row: &Task, outcome: Outcome) -> bool {
            let Some(position) = self.polled.iter().rposition(|earlier| earlier.outcome() == Some(outcome)) else {
                return true;
            };
            let earlier = &self.polled[position];
            let something_else_between = position + 1 < self.polled.len();
            let started_differs = earlier.started != row.started;
            let active_grew = row.active_duration.unwrap_or(0) > earlier.active_duration.unwrap_or(0);
            something_else_between || started_differs || active_grew
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn agrees_with_the_slow_obvious_model(events in prop::collection::vec(event(), 1..40)) {
            let mut model = Model::new();
            let mut rows = Vec::new();
            for event in events {
                model.happen(event);
                if matches!(event, Event::Poll | Event::PollTwice) {
                    rows.push(model.row.clone());
                    if matches!(event, Event::PollTwice) {
                        rows.push(model.row.clone());
                    }
                }
            }
            let alerted = play(&rows);
            let outcomes: Vec<Outcome> = alerted.iter().map(|(_, outcome)| *outcome).collect();
            prop_assert_eq!(outcomes, model.alerted);
            let keys: HashSet<_> = alerted.iter().collect();
            prop_assert_eq!(keys.len(), alerted.len(), "run and outcome identify an alert");
        }

        #[test]
        fn the_first_that_does_not_continue_ends_it(
            task in any_task(),
            rules in prop::collection::vec((prop::collection::vec(more(), 0..3), any::<bool>()), 0..6),
        ) {
            let rules: Vec<Rule> = rules
                .into_iter()
                .map(|(asks, continues)| Rule { continues, ..rule_of(asks) })
                .collect();
            let decision = decide(None, &task, &rules, &Silences::default());
            let outcome = task.outcome().unwrap();
            let fits: Vec<bool> = rules.iter().map(|rule| rule.judge(&task, outcome) == Verdict::Alert).collect();
            let end = fits.iter().zip(&rules).position(|(fits, rule)| *fits && !rule.continues).unwrap_or(rules.len());
            let expected: Vec<usize> = (0..rules.len()).filter(|rule| fits[*rule] && *rule <= end).collect();
            let alerts = decision.verdicts.iter().filter(|each| each.verdict == Verdict::Alert);
            prop_assert_eq!(alerts.map(|each| each.rule).collect::<Vec<_>>(), expected.clone());
            let rows = if rules.is_empty() { 0 } else { expected.len().max(1) };
            prop_assert_eq!(decision.verdicts.len(), rows, "one row where no rule alerts");
            prop_assert_eq!(decision.said.len(), rules.len());
            let all = hear(&task, outcome, &rules, &Silences::default());
            for (heard, letter) in all.iter().zip(decision.said.chars()) {
                let said = heard.verdict.suppression().map_or(ALERT, |why| why.filter.letter());
                prop_assert_eq!(said, letter);
            }
        }

        #[test]
        fn reading_the_same_rows_again_changes_nothing(events in prop::collection::vec(event(), 1..40)) {
            let mut model = Model::new();
            let mut known: Option<KnownTask> = None;
            for event in events {
                model.happen(event);
                let first = decide(known.as_ref(), &model.row, &[watch_all()], &Silences::default());
                let again = decide(Some(&first.observation.known), &model.row, &[watch_all()], &Silences::default());
                prop_assert_eq!(again.observation.change, Change::Nothing);
                prop_assert!(again.verdicts.is_empty());
                known = Some(first.observation.known);
            }
        }
    }
}
