//! Is a running task stuck? What looks at it saw over time, turned into episodes: one begins when nothing has moved for
//! the time that a rule gives, and ends when the task has moved twice, so that one that flaps is told of once.

use serde::{Deserialize, Serialize};

use super::message::words;
use super::rule::{Rule, Stuck, Subject};
use super::silence::{Silence, Silences};
use super::stamp::Stamp;
use super::task::{Outcome, Task};

/// What one look saw of a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// When, by ClearML's clock.
    pub at: Stamp,
    /// Which run it is in.
    pub run: u32,
    /// Its last sign of life.
    pub last_update: Option<Stamp>,
    /// Its last iteration.
    pub iteration: i64,
}

impl Sight {
    /// What a row of a look shows.
    pub fn of(task: &Task, run: u32, at: Stamp) -> Self {
        Self { at, run, last_update: task.last_update, iteration: task.last_iteration }
    }
}

/// An iteration, and since when a task has stood at it. ClearML does not say; the first look that saw it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// The run.
    pub run: u32,
    /// The iteration.
    pub iteration: i64,
    /// When it was first seen, by ClearML's clock.
    pub since: Stamp,
}

/// What is remembered of a task's iteration after a look.
pub fn watched_after(known: Option<Watched>, sight: &Sight) -> Watched {
    match known {
        Some(known) if known.run == sight.run && known.iteration == sight.iteration => known,
        _ => Watched { run: sight.run, iteration: sight.iteration, since: sight.at },
    }
}

/// What has not moved for as long as a rule gives, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standstill {
    /// No sign of life since then.
    pub silent: Option<Stamp>,
    /// The same iteration since then.
    pub iteration: Option<Stamp>,
}

impl Standstill {
    /// What stands still at this look by these limits.
    pub fn at(limits: &Stuck, sight: &Sight, watched: Option<Watched>) -> Self {
        let reached = |since: Option<Stamp>, limit: Option<std::time::Duration>| {
            since.zip(limit).filter(|(since, limit)| sight.at.since(*since) >= *limit).map(|(since, _)| since)
        };
        Self {
            silent: reached(sight.last_update, limits.silent),
            iteration: reached(
                watched.filter(|known| known.run == sight.run).map(|known| known.since),
                limits.iteration,
            ),
        }
    }

    /// Whether anything stands still.
    pub fn is_stuck(&self) -> bool {
        self.silent.is_some() || self.iteration.is_some()
    }

    /// For a person: what has not moved, and since when.
    pub fn words(&self, sight: &Sight) -> String {
        let since = |since: Stamp| format!("since {since} ({})", words::duration(sight.at.since(since)));
        let silent = self.silent.map(|at| format!("no sign of life {}", since(at)));
        let iteration = self.iteration.map(|at| format!("at iteration {} {}", sight.iteration, since(at)));
        silent.into_iter().chain(iteration).collect::<Vec<_>>().join("; ")
    }
}

/// An episode of a task that is stuck, as it is remembered between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// The run it is about.
    pub run: u32,
    /// It began with an iteration that did not move; signs of life do not end it.
    pub by_iteration: bool,
    /// The last sign of life at the newest look.
    pub last_update: Option<Stamp>,
    /// The iteration at the newest look.
    pub iteration: i64,
    /// How often it has moved since it stood still last.
    pub moves: u32,
}

/// So often a task must move before it counts as moving again.
const MOVES: u32 = 2;

/// What a look makes of a task and a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing to say.
    Nothing,
    /// An episode begins: it is alerted.
    Begins(Episode, Standstill),
    /// The episode goes on, perhaps otherwise than before.
    GoesOn(Episode),
    /// It is over: the task moves again.
    Ends,
}

/// What becomes of a task's episode by what a look saw.
pub fn turn(known: Option<Episode>, standstill: Standstill, sight: &Sight) -> Turn {
    let Some(known) = known.filter(|known| known.run == sight.run) else {
        return if standstill.is_stuck() { begun(standstill, sight) } else { Turn::Nothing };
    };
    let has_moved =
        if known.by_iteration { known.iteration != sight.iteration } else { sight.last_update > known.last_update };
    let moves = if standstill.is_stuck() { 0 } else { known.moves + u32::from(has_moved) };
    if moves >= MOVES {
        return Turn::Ends;
    }
    Turn::GoesOn(Episode { moves, last_update: sight.last_update, iteration: sight.iteration, ..known })
}

fn begun(standstill: Standstill, sight: &Sight) -> Turn {
    let episode = Episode {
        run: sight.run,
        by_iteration: standstill.iteration.is_some(),
        last_update: sight.last_update,
        iteration: sight.iteration,
        moves: 0,
    };
    Turn::Begins(episode, standstill)
}

/// The rules that tell of a task that is stuck by their limits, in order, with the silence that keeps one quiet. As with
/// an end, one that does not continue is the last that speaks.
pub fn ask<'s>(
    task: &Task,
    rules: &[Rule],
    is_due: impl Fn(&Rule) -> bool,
    silences: &'s Silences,
) -> Vec<(usize, Option<&'s Silence>)> {
    let subject = Subject::new(task, Outcome::Stuck);
    let mut told = Vec::new();
    for (position, rule) in rules.iter().enumerate() {
        if !is_due(rule) || rule.filter(&subject).is_some() {
            continue;
        }
        told.push((position, silences.covering(task, Outcome::Stuck, &rule.name)));
        if !rule.continues {
            break;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const START: Stamp = Stamp::from_millis(1_795_386_448_000);

    fn limits(silent: Option<Duration>, iteration: Option<Duration>) -> Stuck {
        Stuck { silent, iteration }
    }

    /// A task and the memory of it, looked at now and then.
    struct Watch {
        limits: Stuck,
        now: Stamp,
        last_update: Stamp,
        iteration: i64,
        watched: Option<Watched>,
        episode: Option<Episode>,
        began: u32,
        ended: u32,
    }

    impl Watch {
        fn new(limits: Stuck) -> Self {
            let (last_update, now) = (START, START);
            Self { limits, now, last_update, iteration: 0, watched: None, episode: None, began: 0, ended: 0 }
        }

        fn look(&mut self) -> Turn {
            let sight = Sight { at: self.now, run: 1, last_update: Some(self.last_update), iteration: self.iteration };
            self.watched = Some(watched_after(self.watched, &sight));
            let turn = turn(self.episode, Standstill::at(&self.limits, &sight, self.watched), &sight);
            match turn {
                Turn::Nothing => {}
                Turn::Begins(episode, _) => {
                    self.began += 1;
                    self.episode = Some(episode);
                }
                Turn::GoesOn(episode) => self.episode = Some(episode),
                Turn::Ends => {
                    self.ended += 1;
                    self.episode = None;
                }
            }
            turn
        }

        fn wait(&mut self, duration: Duration) -> &mut Self {
            self.now = self.now.plus(duration);
            self
        }

        fn ping(&mut self) -> &mut Self {
            self.last_update = self.now;
            self
        }
    }

    #[test]
    fn silence_is_told_once_and_over_after_two_signs_of_life() {
        let mut watch = Watch::new(limits(Some(HOUR), None));
        assert_eq!(watch.wait(HOUR.saturating_sub(Duration::from_millis(1))).look(), Turn::Nothing);
        assert!(matches!(watch.wait(Duration::from_millis(1)).look(), Turn::Begins(..)));
        assert!(matches!(watch.wait(HOUR * 5).look(), Turn::GoesOn(_)));
        assert!(matches!(watch.ping().look(), Turn::GoesOn(Episode { moves: 1, .. })));
        assert!(matches!(watch.wait(HOUR / 2).look(), Turn::GoesOn(Episode { moves: 1, .. })), "nothing since");
        assert_eq!(watch.ping().look(), Turn::Ends);
        assert_eq!((watch.began, watch.ended), (1, 1));
        assert!(matches!(watch.wait(HOUR).look(), Turn::Begins(..)), "another episode");
    }

    #[test]
    fn one_sign_of_life_between_two_silences_ends_nothing() {
        let mut watch = Watch::new(limits(Some(HOUR), None));
        for _ in 0..20 {
            watch.wait(HOUR).look();
            watch.ping().look();
        }
        assert_eq!((watch.began, watch.ended), (1, 0));
    }

    #[test]
    fn signs_of_life_do_not_move_an_iteration() {
        let mut watch = Watch::new(limits(Some(HOUR), Some(HOUR * 3)));
        watch.look();
        for _ in 0..12 {
            watch.wait(HOUR / 4).ping().look();
        }
        assert_eq!(watch.began, 1, "the same iteration for three hours");
        for _ in 0..4 {
            watch.wait(HOUR / 4).ping().look();
        }
        assert_eq!(watch.ended, 0);
        watch.iteration = 1;
        watch.look();
        watch.iteration = 2;
        assert_eq!(watch.look(), Turn::Ends);
    }

    #[test]
    fn an_iteration_stands_still_only_since_it_was_seen_and_another_run_is_another_task() {
        let sight = Sight { at: START, run: 2, last_update: None, iteration: 7 };
        let old = Some(Watched { run: 1, iteration: 7, since: START.minus(HOUR * 9) });
        let by_iteration = limits(None, Some(HOUR));
        assert_eq!(Standstill::at(&by_iteration, &sight, old), Standstill::default());
        assert_eq!(watched_after(old, &sight), Watched { run: 2, iteration: 7, since: START });
        let episode = Episode { run: 1, by_iteration: true, last_update: None, iteration: 7, moves: 0 };
        assert_eq!(turn(Some(episode), Standstill::default(), &sight), Turn::Nothing, "that run is over");
    }

    #[test]
    fn what_does_not_move_is_said_with_its_time() {
        let sight = Sight { at: START, run: 1, last_update: None, iteration: 7 };
        let both = Standstill { silent: Some(START.minus(HOUR)), iteration: Some(START.minus(HOUR * 3)) };
        let expected = "no sign of life since 2026-11-22T21:27:28.000Z (1 h); \
                        at iteration 7 since 2026-11-22T19:27:28.000Z (3 h)";
        assert_eq!(both.words(&sight), expected);
    }

    #[test]
    fn a_rule_asks_everything_but_how_it_ended_and_the_last_to_speak_ends_it() {
        use crate::domain::decide::tests::{task, watch_all};
        let running = task(crate::domain::Status::InProgress);
        let rule = |name: &str| Rule { name: name.to_owned(), stuck: Some(limits(Some(HOUR), None)), ..watch_all() };
        let mut by_cause = rule("by cause");
        by_cause.conditions.causes.insert("crash".to_owned());
        let mut elsewhere = rule("elsewhere");
        elsewhere.conditions.min_iterations = 1_000;
        let rules = [
            Rule { stuck: None, ..rule("off") },
            by_cause,
            elsewhere,
            Rule { continues: false, ..rule("last") },
            rule("never asked"),
        ];
        let none = Silences::default();
        let heard = ask(&running, &rules, |_| true, &none);
        assert_eq!(heard.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), [1, 3]);
        let heard = ask(&running, &rules, |rule| rule.name != "last", &none);
        assert_eq!(heard.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), [1, 4], "not stuck by its limits yet");
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Wait(u64),
        Ping,
        Step,
        Look,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (1_u64..7_200).prop_map(Event::Wait),
            Just(Event::Ping),
            Just(Event::Step),
            Just(Event::Look),
            Just(Event::Look)
        ]
    }

    proptest! {
        #[test]
        fn no_episode_is_told_twice_and_none_ends_without_two_moves(
            events in prop::collection::vec(event(), 1..200),
            silent in prop::option::of(1_u64..7_200),
            iteration in prop::option::of(1_u64..7_200),
        ) {
            let mut watch = Watch::new(limits(silent.map(Duration::from_secs), iteration.map(Duration::from_secs)));
            let mut moves_since = 0;
            for event in events {
                match event {
                    Event::Wait(seconds) => { watch.wait(Duration::from_secs(seconds)); }
                    Event::Ping => { watch.ping(); moves_since += 1; }
                    Event::Step => { watch.ping(); watch.iteration += 1; moves_since += 1; }
                    Event::Look => match watch.look() {
                        Turn::Begins(_, standstill) => {
                            prop_assert!(standstill.is_stuck());
                            prop_assert!(watch.began - watch.ended == 1, "one episode at a time");
                            moves_since = 0;
                        }
                        Turn::Ends => prop_assert!(moves_since >= 2),
                        Turn::GoesOn(_) | Turn::Nothing => {}
                    },
                }
            }
        }
    }
}
