//! `dead`: what to do with alerts that could not be delivered.

use clap::{Args, Subcommand};

use super::Format;
use crate::settings::DatabaseFlags;

/// `dead`.
#[derive(Subcommand, Debug, Clone)]
pub enum DeadCommand {
    /// List alerts that could not be delivered
    List {
        /// How to print them
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: Format,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Show one of them: what was to be sent, and what Slack said
    Show {
        /// The alert's ID, as `dead list` shows it
        #[arg(value_name = "ID")]
        id: i64,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Put them back in the queue
    Retry {
        /// Which.
        #[command(flatten)]
        which: WhichDead,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Give one of them up for good
    Drop {
        /// The alert's ID, as `dead list` shows it
        #[arg(value_name = "ID")]
        id: i64,
        /// Why; it stays in the history
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// Which database.
        #[command(flatten)]
        database: DatabaseFlags,
    },
}

/// Which dead alerts: some, or all of them.
#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
pub struct WhichDead {
    /// The alerts' IDs, as `dead list` shows them
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}
