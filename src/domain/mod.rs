//! The core: what a task, an outcome, a run, a rule, a verdict, an alert and a message are. Pure: nothing here touches
//! the network, the disk, the environment or a clock; everything it needs, time included, is an argument.

pub mod alert;
pub mod backoff;
pub mod cause;
pub mod console;
pub mod decide;
pub mod delivery;
pub mod follow;
pub mod lag;
pub mod link;
pub mod message;
pub mod metric;
pub mod mrkdwn;
pub mod redact;
pub mod repeats;
pub mod rule;
pub mod run;
pub mod silence;
pub mod stamp;
pub mod stuck;
pub mod task;
pub mod text;

pub use alert::{AlertRecord, AlertState, PendingAlert, Waited};
pub use backoff::Backoff;
pub use cause::{Cause, Diagnosis, Why};
pub use decide::{ALERT, Decision, RuleVerdict, decide, hear};
pub use follow::{FirstMessage, Placement, TaskState};
pub use lag::console_lag;
pub use link::WebPages;
pub use metric::{Finite, LastMetric};
pub use redact::Redactor;
pub use repeats::{Repeats, Worth};
pub use rule::{
    Conditions, Destination, Filter, Lane, ProjectFilter, ProjectPattern, ProjectRegex, Rule, Suppression, UserFilter,
    Verdict,
};
pub use run::{Change, Ended, KnownTask, Observation, OutcomeSet, observe};
pub use silence::{Coverage, Silence, Silences};
pub use stamp::Stamp;
pub use task::{Named, Outcome, Status, Task};
