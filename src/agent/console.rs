//! The log lines of a monitor that runs outside of any agent, on their way to its task's console. Under an agent nothing of
//! this is used: the agent captures what the program prints, and lines sent as well would stand there twice.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clearml::Client;
use crate::clock::Clock;
use crate::domain::Stamp;

/// So many lines wait at most; where ClearML is away for longer, the oldest are lost (they are on standard error too).
const MOST_WAITING: usize = 5_000;
/// So many lines go in one request.
const BATCH: usize = 500;

/// Where log lines wait until they are sent. Clones share the lines.
#[derive(Debug, Clone)]
pub struct ConsoleTap {
    lines: Arc<Mutex<Lines>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<(Stamp, String)>,
    lost: u64,
    closed: bool,
}

impl ConsoleTap {
    /// Lines are dated by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { lines: Arc::default(), clock }
    }

    /// Nobody will send lines: forgets them, and those to come.
    pub fn close(&self) {
        *self.lines() = Lines { closed: true, ..Lines::default() };
    }

    /// What takes one log record.
    pub fn writer(&self) -> TapWriter {
        TapWriter { tap: self.clone(), text: Vec::new() }
    }

    fn push(&self, line: String) {
        let now = self.clock.now();
        let mut lines = self.lines();
        if lines.closed {
            return;
        }
        if lines.waiting.len() >= MOST_WAITING {
            lines.waiting.pop_front();
            lines.lost += 1;
        }
        lines.waiting.push_back((now, line));
    }

    /// The oldest lines, at most a batch of them; told how many were lost before them.
    fn take(&self) -> Vec<(Stamp, String)> {
        let mut lines = self.lines();
        let count = lines.waiting.len().min(BATCH);
        let mut batch: Vec<_> = lines.waiting.drain(..count).collect();
        let lost = std::mem::take(&mut lines.lost);
        if lost > 0
            && let Some((at, _)) = batch.first()
        {
            batch.insert(0, (*at, format!("({lost} lines before this one are lost: ClearML was away)")));
        }
        batch
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what waits, batch by batch; stops at the first that does not go through. A batch whose answer is lost is not
    /// sent again.
    async fn send(&self, client: &Client, task: &str, worker: &str) {
        loop {
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            if let Err(error) = client.report_console(task, worker, &batch).await {
                // Not warned about: a line about lines that cannot be sent would be one more of them, for ever.
                tracing::trace!(%error, lines = batch.len(), "console lines did not arrive in ClearML");
                return;
            }
        }
    }

    /// Sends lines every so often until `stop` is set.
    pub(super) async fn send_until(
        self,
        client: Client,
        task: String,
        worker: String,
        every: Duration,
        stop: CancellationToken,
    ) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => {}
            }
            self.send(&client, &task, &worker).await;
        }
        self.close();
    }
}

/// Takes one log record, which becomes one line once this is dropped.
#[derive(Debug)]
pub struct TapWriter {
    tap: ConsoleTap,
    text: Vec<u8>,
}

impl Write for TapWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text).trim().to_owned();
        if !text.is_empty() {
            self.tap.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap() -> ConsoleTap {
        ConsoleTap::new(Clock::manual(Stamp::from_millis(1_000)))
    }

    fn write(tap: &ConsoleTap, text: &str) {
        tap.writer().write_all(text.as_bytes()).unwrap();
    }

    fn texts(batch: Vec<(Stamp, String)>) -> Vec<String> {
        batch.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_record_is_a_line_and_is_handed_out_once() {
        let tap = tap();
        write(&tap, "INFO started\n");
        write(&tap, "\n");
        assert_eq!(tap.take(), [(Stamp::from_millis(1_000), "INFO started".to_owned())]);
        assert!(tap.take().is_empty());
    }

    #[test]
    fn too_many_lines_cost_the_oldest_and_are_counted() {
        let tap = tap();
        for number in 0..MOST_WAITING + 2 {
            write(&tap, &number.to_string());
        }
        let first = texts(tap.take());
        assert_eq!(first[..2], ["(2 lines before this one are lost: ClearML was away)".to_owned(), "2".to_owned()]);
        assert_eq!(first.len(), BATCH + 1);
        assert_eq!(texts(tap.take()).len(), BATCH);
    }

    #[test]
    fn a_closed_tap_keeps_nothing() {
        let tap = tap();
        write(&tap, "before");
        tap.close();
        write(&tap, "after");
        assert!(tap.take().is_empty());
    }
}
