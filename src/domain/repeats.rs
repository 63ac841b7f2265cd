//! Which of many failures are worth a line in the log. What fails without end, or every other time, must not fill a disk;
//! what fails anew must be told.

use std::collections::HashSet;

/// So many different failures are told; one that says something else each time is only counted.
const MOST_SPOKEN: usize = 10;
/// After so many failures that no line told of there is a reminder; after so many successes in a row all is forgotten.
const WINDOW: u32 = 60;

/// Whether the try of this number, from 1, that failed like those before it is worth a line: the first few are, and then
/// one of so many.
pub fn is_try_worth_a_line(number: u32) -> bool {
    number <= 3 || number.is_multiple_of(WINDOW)
}

/// What a failure is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// A line of its own.
    News,
    /// A reminder that it still fails: so many times since it began.
    Reminder(u32),
    /// Nothing: it is counted.
    Nothing,
}

/// Counts failures of one thing, and says which to tell of.
#[derive(Debug, Clone)]
pub struct Repeats {
    /// What was told.
    spoken: HashSet<String>,
    /// Failures since all was well for long.
    failures: u32,
    /// Those of them that no line has told of.
    untold: u32,
    /// Failures since the last success.
    in_a_row: u32,
    /// Whether a line told of any of those.
    is_told: bool,
    /// A failure that was told before is told again once it came so often in a row: each time it has to last longer.
    patience: u32,
    /// Successes since the last failure.
    good: u32,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { spoken: HashSet::new(), failures: 0, untold: 0, in_a_row: 0, is_told: false, patience: 1, good: 0 }
    }
}

impl Repeats {
    /// It failed, and this is what would be told.
    pub fn failed(&mut self, text: &str) -> Worth {
        for count in [&mut self.failures, &mut self.untold, &mut self.in_a_row] {
            *count = count.saturating_add(1);
        }
        self.good = 0;
        let is_new = self.spoken.len() < MOST_SPOKEN && self.spoken.insert(text.to_owned());
        let lasts = !self.is_told && self.in_a_row >= self.patience;
        if lasts {
            self.patience = (self.patience * 2).min(WINDOW);
        }
        let worth = match (is_new || lasts, self.untold) {
            (true, _) => Worth::News,
            (false, WINDOW..) => Worth::Reminder(self.failures),
            (false, _) => return Worth::Nothing,
        };
        (self.untold, self.is_told) = (0, true);
        worth
    }

    /// It went well. How often it had failed in a row, where a line told of that: then its end is worth one, too.
    pub fn succeeded(&mut self) -> Option<u32> {
        let ended = self.is_told.then_some(self.in_a_row);
        (self.in_a_row, self.is_told) = (0, false);
        self.good = self.good.saturating_add(1);
        if self.good == WINDOW {
            *self = Self { good: self.good, ..Self::default() };
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines so many turns are worth; `fails` says what a turn's failure tells, if it is one.
    fn lines(turns: u32, fails: impl Fn(u32) -> Option<String>) -> usize {
        let mut repeats = Repeats::default();
        let worth = |turn| match fails(turn) {
            Some(text) => repeats.failed(&text) != Worth::Nothing,
            None => repeats.succeeded().is_some(),
        };
        (0..turns).map(worth).filter(|is_told| *is_told).count()
    }

    #[test]
    fn an_outage_is_told_once_and_then_each_sixty_times_and_its_end_is_told() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.failed("away"), Worth::News);
        let worth: Vec<Worth> = (0..120).map(|_| repeats.failed("away")).collect();
        let told: Vec<&Worth> = worth.iter().filter(|worth| **worth != Worth::Nothing).collect();
        assert_eq!(told, [&Worth::Reminder(61), &Worth::Reminder(121)]);
        assert_eq!((repeats.succeeded(), repeats.succeeded()), (Some(121), None));
    }

    #[test]
    fn another_failure_is_news_but_not_without_end() {
        let mut repeats = Repeats::default();
        let told = (0..50).filter(|turn| repeats.failed(&turn.to_string()) == Worth::News).count();
        assert_eq!(told, MOST_SPOKEN);
    }

    #[test]
    fn what_comes_and_goes_is_told_less_and_less() {
        let away = || Some("away".to_owned());
        for (good, bad) in [(1, 1), (1, 2), (3, 1), (1, 6), (5, 30), (59, 1)] {
            let told = lines(10_000, |turn| if turn % (good + bad) < bad { away() } else { None });
            let most = 10_000 / 60 + 20 + 2 * 10_000 / (good + 60);
            assert!(told <= usize::try_from(most).unwrap(), "{bad} bad, {good} good: {told} lines");
        }
        assert!(lines(10_000, |turn| if turn % 2 == 0 { away() } else { None }) < 200);
    }

    #[test]
    fn what_lasts_is_told_again_even_if_it_was_told_before() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.failed("away"), Worth::News);
        repeats.succeeded();
        assert_eq!([(); 2].map(|()| repeats.failed("away")), [Worth::Nothing, Worth::News]);
        repeats.succeeded();
        assert_eq!([(); 4].map(|()| repeats.failed("away"))[3], Worth::News);
    }

    #[test]
    fn of_many_tries_a_few_are_told() {
        let told: Vec<u32> = (1..=180).filter(|number| is_try_worth_a_line(*number)).collect();
        assert_eq!(told, [1, 2, 3, 60, 120, 180]);
    }

    #[test]
    fn what_was_well_for_long_begins_anew() {
        let mut repeats = Repeats::default();
        for _ in 0..3 {
            assert_eq!(repeats.failed("away"), Worth::News);
            assert_eq!(repeats.succeeded(), Some(1));
            assert!((0..WINDOW).all(|_| repeats.succeeded().is_none()));
        }
    }
}
