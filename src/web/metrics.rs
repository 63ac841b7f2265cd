//! Metrics in Prometheus' text format, or `OpenMetrics` where it is asked for. Labels are words of this program and names
//! of rules: never a task, a user or a project, so that there are never more than a few dozen series.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::site::Site;
use crate::domain::Stamp;
use crate::monitor::{Figures, Histogram};
use crate::store::{QueueCounts, Store, StoreError};

/// The content type of the classic text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "clearml_alerts";

pub(super) async fn page(State(site): State<Site>, headers: HeaderMap) -> Response {
    let found = match site.opened() {
        None => None,
        Some(opened) => {
            let _turn = site.turn().await;
            match find(&opened.reader, site.now()).await {
                Ok(found) => Some(found),
                Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
            }
        }
    };
    let gathered = Gathered { figures: site.figures(), found, now: site.now() };
    let wants_openmetrics = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let text = openmetrics(gathered);
    let (content_type, text) = if wants_openmetrics { (OPENMETRICS, text) } else { (CONTENT_TYPE, classic(&text)) };
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// What the database says.
#[derive(Debug)]
struct Found {
    queue: QueueCounts,
    parked_channels: usize,
    paused_until: Option<Stamp>,
    size: u64,
}

async fn find(store: &Store, now: Stamp) -> Result<Found, StoreError> {
    Ok(Found {
        queue: store.queue_counts().await?,
        parked_channels: store.parked_channels().await?.len(),
        paused_until: store.pauses(now).await?.into_iter().map(|pause| pause.until).max(),
        size: store.size().await?,
    })
}

fn openmetrics(gathered: Gathered) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(gathered));
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

/// The classic format from `OpenMetrics`: there a counter's family is called like its samples, and neither units nor the
/// end are told.
fn classic(openmetrics: &str) -> String {
    let mut counters = Vec::new();
    for line in openmetrics.lines() {
        counters.extend(line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")));
    }
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let told = ["# HELP ", "# TYPE "].into_iter().find_map(|start| Some((start, line.strip_prefix(start)?)));
        match told.and_then(|(start, rest)| Some((start, rest.split_once(' ')?))) {
            Some((start, (name, rest))) if counters.contains(&name) => {
                text.push_str(&format!("{start}{name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Everything that is told, at one moment.
#[derive(Debug)]
struct Gathered {
    figures: Figures,
    found: Option<Found>,
    now: Stamp,
}

type Told = Result<(), std::fmt::Error>;

impl Collector for Gathered {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Told {
        let mut teller = Teller { encoder };
        self.polling(&mut teller)?;
        self.alerts(&mut teller)?;
        if let Some(found) = &self.found {
            self.waiting(found, &mut teller)?;
        }
        teller.gauge(
            "start_time",
            "When the service started, since 1970",
            Some(&Unit::Seconds),
            seconds(self.figures.started_at),
        )?;
        let is_good = f64::from(u8::from(self.figures.config_trouble.is_none()));
        let help =
            "Whether the config file could be used when it was last read: 1, or 0 where older rules are in force";
        teller.gauge("config_last_reload_successful", help, None, is_good)?;
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        teller.gauges("build_info", "Which version this is", [(build, 1.0)])
    }
}

impl Gathered {
    fn polling(&self, teller: &mut Teller<'_>) -> Told {
        let figures = &self.figures;
        let polls = figures.polls.iter().map(|(result, count)| ([("result", result.as_str())], *count));
        teller.counters("polls", "Polls of ClearML by how they ended", polls)?;
        teller.histogram("poll_duration", "How long polls of ClearML took", &figures.poll_seconds)?;
        teller.counter("tasks_observed", "Status changes of tasks that were recorded", figures.tasks_observed)?;
        if let Some(at) = figures.last_good_poll_at {
            let help = "When the last good poll ended, since 1970";
            teller.gauge("last_good_poll_timestamp", help, Some(&Unit::Seconds), seconds(at))?;
        }
        if let Some(watermark) = figures.watermark {
            let lag = figures.clearml_now(self.now).since(watermark).as_secs_f64();
            let help = "Age of the newest status change that is recorded, by ClearML's clock";
            teller.gauge("watermark_lag", help, Some(&Unit::Seconds), lag)?;
        }
        Ok(())
    }

    fn alerts(&self, teller: &mut Teller<'_>) -> Told {
        let figures = &self.figures;
        let verdicts = figures.verdicts.iter();
        let verdicts = verdicts.map(|((rule, reason), count)| ([("rule", rule.as_str()), ("reason", *reason)], *count));
        teller.counters("verdicts", "Verdicts of rules by what decided: alert, or the filter that spoke", verdicts)?;
        let alerts = figures.alerts.iter();
        let alerts = alerts.map(|((rule, state), count)| ([("rule", rule.as_str()), ("state", *state)], *count));
        teller.counters("alerts", "Alerts by the state they came into", alerts)?;
        let attempts = figures.attempts.iter().map(|(class, count)| ([("class", *class)], *count));
        teller.counters("attempts", "Attempts to deliver by what Slack's answer meant", attempts)?;
        let help = "From a status change in ClearML to its alert in Slack";
        teller.histogram("delivery_latency", help, &figures.delivery_seconds)?;
        teller.counter("slack_pauses", "Waits that Slack asked for", figures.slack_pauses)?;
        let help = "Alerts removed because they were older than they are kept";
        teller.counter("pruned_alerts", help, figures.pruned_alerts)
    }

    fn waiting(&self, found: &Found, teller: &mut Teller<'_>) -> Told {
        let QueueCounts { pending, by_rule, unknown, held, dead, oldest_at } = found.queue;
        let states = [("pending", pending), ("by_rule", by_rule), ("unknown", unknown), ("held", held), ("dead", dead)];
        let states = states.map(|(state, count)| ([("state", state)], f64::from(count)));
        teller.gauges("waiting", "Alerts that are not told, by state", states)?;
        let oldest = oldest_at.map_or(0.0, |oldest| self.now.since(oldest).as_secs_f64());
        teller.gauge(
            "oldest_pending",
            "Age of the oldest alert that waits, not counting its wait by its rule; 0 where none does",
            Some(&Unit::Seconds),
            oldest,
        )?;
        let parked = u32::try_from(found.parked_channels).unwrap_or(u32::MAX);
        teller.gauge("parked_channels", "Channels that wait for a person", None, f64::from(parked))?;
        let pause = found.paused_until.map_or(0.0, |until| until.since(self.now).as_secs_f64());
        teller.gauge("slack_pause_remaining", "How long Slack still asks to wait", Some(&Unit::Seconds), pause)?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; exact up to eight petabytes")]
        let size = found.size as f64;
        teller.gauge("database_size", "Size of the database file", Some(&Unit::Bytes), size)
    }
}

fn seconds(stamp: Stamp) -> f64 {
    stamp.since(Stamp::EPOCH).as_secs_f64()
}

/// Tells one family of metrics after the other.
struct Teller<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Teller<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Told {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters<L: EncodeLabelSet>(&mut self, name: &str, help: &str, of: impl IntoIterator<Item = (L, u64)>) -> Told {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in of {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> Told {
        self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet>(&mut self, name: &str, help: &str, of: impl IntoIterator<Item = (L, f64)>) -> Told {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in of {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> Told {
        let unit = Unit::Seconds;
        let mut metric = self.encoder.encode_descriptor(name, help, Some(&unit), MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &histogram.buckets(), None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::monitor::Status;

    fn told() -> String {
        let figures = Status::new(Stamp::from_millis(1_000), Duration::from_secs(10)).figures();
        let queue = QueueCounts {
            pending: 2,
            by_rule: 7,
            unknown: 0,
            held: 1,
            dead: 3,
            oldest_at: Some(Stamp::from_millis(4_000)),
        };
        let found = Found { queue, parked_channels: 1, paused_until: None, size: 4_096 };
        openmetrics(Gathered { figures, found: Some(found), now: Stamp::from_millis(9_000) })
    }

    #[test]
    fn what_waits_is_told_in_both_formats() {
        let openmetrics = told();
        assert!(openmetrics.ends_with("# EOF\n"));
        let classic = classic(&openmetrics);
        for text in [&openmetrics, &classic] {
            for line in [
                "clearml_alerts_waiting{state=\"dead\"} 3.0",
                "clearml_alerts_waiting{state=\"by_rule\"} 7.0",
                "clearml_alerts_oldest_pending_seconds 5.0",
                "clearml_alerts_database_size_bytes 4096.0",
                "clearml_alerts_tasks_observed_total 0",
                "clearml_alerts_poll_duration_seconds_bucket{le=\"+Inf\"} 0",
            ] {
                assert!(text.lines().any(|told| told == line), "{line} in {text}");
            }
        }
        assert!(classic.contains("# TYPE clearml_alerts_polls_total counter\n"), "{classic}");
        assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"), "{classic}");
    }
}
