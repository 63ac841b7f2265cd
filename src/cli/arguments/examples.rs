//! What `--help` shows below the flags: how a command is typed.

pub(super) const AFTER_HELP: &str = "\
Examples:
  clearml-alerts demo
  clearml-alerts check --channel '#ml-alerts'
  clearml-alerts once --channel '#ml-alerts' --dry-run
  clearml-alerts run --local --channel '#ml-alerts' --project vision
  clearml-alerts history --since 24h

ClearML is found as its SDK finds it: CLEARML_API_HOST, CLEARML_API_ACCESS_KEY,
CLEARML_API_SECRET_KEY, or ~/clearml.conf. The Slack token is SLACK_API_TOKEN.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 ClearML
unreachable or refusing, 4 alerts left undelivered, 5 another instance owns the
database, 6 database unusable.";

pub(super) const RUN_EXAMPLES: &str = "\
Flags may be spelled with - or _, and switches may have a value: --local,
--local True, --local=false.

Examples:
  clearml-alerts run --local --channel '#ml-alerts'
  clearml-alerts run --local --channel C0123456789 \\
      --include-completed-experiments --include-aborted-experiments
  clearml-alerts run --local --channel '#ml-alerts' --since 24h \\
      --message-prefix 'Hey <!here>,' --exclude-users alice bob";

pub(super) const ONCE_EXAMPLES: &str = "\
Takes the flags of `run`; those that only a service needs have no effect.

Examples:
  clearml-alerts once --channel '#ml-alerts' --dry-run --since 24h
  */5 * * * *  clearml-alerts once --channel '#ml-alerts' --wait-lock 1m";

pub(super) const HISTORY_EXAMPLES: &str = "\
Several values of one filter mean any of them, several filters mean all. States
and outcomes may be joined by commas.

Examples:
  clearml-alerts history --since '2 hours ago' --status failed --not user=bob
  clearml-alerts history --state dead,held --format json
  clearml-alerts history --since yesterday --until today --format csv
  clearml-alerts history --since 7d --group-by project
  clearml-alerts history --since 7d --stats
  clearml-alerts history --show 4711";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Takes the flags of `run`: give those of your service, and it tells what that
service would do with the task now.

Examples:
  clearml-alerts explain 4f2a9c
  clearml-alerts explain https://app.clear.ml/projects/…/tasks/4f2a9c…/output/log
  clearml-alerts explain 4f2a9c --project vision --format json";

pub(super) const TEST_RULES_EXAMPLES: &str = "\
Takes the flags of `run`: give those that you want to try. Reads the database
and ClearML, and changes neither.

Examples:
  clearml-alerts test-rules 4f2a9c4f2a9c4f2a9c4f2a9c4f2a9c4f --project vision
  clearml-alerts test-rules --since 7d --min-num-iterations 100
  clearml-alerts test-rules --since 7d --all --format json";

pub(super) const CHECK_EXAMPLES: &str = "\
Takes the flags of `run`: give those of your service. Nothing is changed.

Exit codes: 0 it works (warnings included); otherwise that of the first
failure: 2 settings, 3 ClearML, 4 Slack, 6 the database.

Examples:
  clearml-alerts check --local --channel '#ml-alerts' --project vision
  clearml-alerts check --local --channel '#ml-alerts' --send-test";

pub(super) const SILENCE_EXAMPLES: &str = "\
A running service obeys from its next poll on. What is silenced stays in the
history as suppressed; when the silence ends, one line in the channel tells how
much it was.

Examples:
  clearml-alerts silence add --project '^vision/' --for 2h \\
      --author ada --reason 'storage maintenance'
  clearml-alerts silence list
  clearml-alerts silence end 3 --author ada";

pub(super) const DEAD_EXAMPLES: &str = "\
Examples:
  clearml-alerts dead list
  clearml-alerts dead retry --all
  clearml-alerts dead drop 17 --reason 'channel was deleted'";
