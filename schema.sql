-- The whole memory of clearml-alerts. One file belongs to one monitor and one ClearML server.
--
-- All times are INTEGER milliseconds since 1970, UTC. Those named status_changed, started, since, watermark, watch_from,
-- ended_* and …_until of an alert are by the ClearML server's clock; all others (…_at) by this machine's, and they decide
-- nothing about tasks.
--
-- The way of an alert: a page of a poll is recorded in one transaction (tasks, transitions, alerts, watermark). Alerts
-- that are to be told become a delivery: one message with its exact payload. Every try to send it is an attempt,
-- written before the request and completed after it.
--
-- With `--keep`, what was told goes when it is old: alerts, then the status changes of their runs, silences, and messages
-- that nothing names any more. Tasks stay for ever: their rows tell news from what is known.

-- One row: whose database this is, and how far it has read.
CREATE TABLE monitor (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    instance        TEXT NOT NULL,      -- random; part of every message's key, so that two monitors never find each other's messages
    server          TEXT,               -- the ClearML API address this database belongs to; NULL until the first poll
    watch_from      INTEGER,            -- nothing stamped before this is ever asked for; NULL until watching has begun
    watermark       INTEGER,            -- everything stamped up to here has been recorded; NULL until watching has begun
    generation      INTEGER NOT NULL DEFAULT 0, -- grows with every write; the lock file keeps a copy, so that a lost WAL or an older file is noticed
    hidden_from     INTEGER,            -- hidden tasks are watched too, and decided from this stamp on; NULL: no rule asks for them
    last_poll_at    INTEGER,            -- when the last good poll ended
    announced_at    INTEGER,            -- when the last start message was handed to delivery
    service_task    TEXT,               -- the task that stands for this monitor in ClearML; NULL where it has none
    kept_from       INTEGER             -- alerts of outcomes stamped before this may have been removed (`--keep`); NULL: none ever was
) STRICT;

-- Every task seen, with its last status: what tells news from what is known.
CREATE TABLE tasks (
    task_id         TEXT PRIMARY KEY,   -- ClearML's ID
    name            TEXT NOT NULL,
    kind            TEXT,               -- ClearML's task type: training, monitor, …
    project_id      TEXT,
    project         TEXT,               -- the project's full name, when the task was last seen
    user_id         TEXT,
    user            TEXT,
    status          TEXT NOT NULL,      -- ClearML's word
    status_changed  INTEGER NOT NULL,
    run             INTEGER NOT NULL,   -- which run of the task this status belongs to, from 1
    run_outcomes    INTEGER NOT NULL,   -- outcomes recorded in this run: 1 failed, 2 completed, 4 stopped
    ended_outcome   TEXT,               -- the last end seen, of this run or an earlier one; its marks tell a re-stamp
    ended_changed   INTEGER,            --   from another run: the newest stamp of that end,
    ended_started   INTEGER,            --   when that run had started,
    ended_active    INTEGER,            --   and how many seconds it had been active
    first_seen_at   INTEGER NOT NULL,
    last_change_at  INTEGER NOT NULL    -- when this row last changed
) STRICT, WITHOUT ROWID;

-- Every list of rules that outcomes were put to, one row a change. A rule is known by its name alone.
CREATE TABLE rule_sets (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at      INTEGER NOT NULL,   -- when an outcome was first put to it
    names           TEXT NOT NULL       -- the rules' names in the order of asking, as a JSON array
) STRICT;

-- Every status change seen, re-stamps too: what `explain` tells from.
CREATE TABLE transitions (
    id              INTEGER PRIMARY KEY,
    task_id         TEXT NOT NULL REFERENCES tasks (task_id),
    run             INTEGER NOT NULL,
    change          TEXT NOT NULL CHECK (change IN ('baseline', 'moved', 'ended', 'restamp')),
    status          TEXT NOT NULL,
    status_changed  INTEGER NOT NULL,
    reason          TEXT,               -- status_reason as the server gave it with this stamp
    message         TEXT,               -- status_message likewise
    seen_at         INTEGER NOT NULL,
    rule_set_id     INTEGER REFERENCES rule_sets (id), -- for an end that was put to rules: to which
    -- What each of them said, a letter a rule, in their order. A alert; kept quiet by: o own task, s status, p project,
    -- u user, m manual, a archived, h hidden, t type, g tags, y system tags, n name, q queue, w worker, i iterations,
    -- r run time, v metric, c cause, e an earlier rule that is the last to be asked, z silence,
    -- x retried (never said: it comes after the verdict). No letter ever changes.
    said            TEXT,
    CHECK ((rule_set_id IS NULL) = (said IS NULL))
) STRICT;
CREATE INDEX transitions_by_task ON transitions (task_id, id);

-- What a rule had to tell about one outcome of one run: one row for each rule that alerts or that a silence kept quiet, and
-- where there is neither, one for the rule that came nearest. What the others said is in transitions.said.
CREATE TABLE alerts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    rule            TEXT NOT NULL,
    task_id         TEXT NOT NULL REFERENCES tasks (task_id),
    run             INTEGER NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('failed', 'completed', 'stopped', 'stuck')), -- stuck: it runs, and does not move
    episode         INTEGER NOT NULL DEFAULT 0, -- of a stuck one: how often it was stuck in this run, from 1; an end has none
    status_changed  INTEGER NOT NULL,   -- the stamp of the outcome as first seen
    task_name       TEXT NOT NULL,      -- this and the next four: as they were when the alert was decided
    project_id      TEXT,
    project         TEXT,
    user_id         TEXT,
    user            TEXT,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'held', 'sent', 'dead', 'suppressed')),
    filter          TEXT,               -- for a suppressed one: the filter that spoke
    cause           TEXT,               -- why the task ended, in a word: crash, cuda_out_of_memory, aborted_by_user, …; NULL: it completed, or runs
    cause_detail    TEXT,               -- the same in one line for a person, without secrets; from the row, then from the console, once it was read;
                                        --   of a stuck one what has not moved, and since when
    reason          TEXT,               -- why it is in this state, for a person; NULL where there is nothing to say
    channel         TEXT NOT NULL,      -- the lane it goes into: a channel as the user named it, owner:ID, slack-webhook:NAME, webhook:NAME
    detour          TEXT,               -- why it went to its rule's other channel: its owner is not known at Slack
    silence_id      INTEGER REFERENCES silences (id), -- for one kept quiet by a silence: which
    wait_until      INTEGER,            -- its rule makes it wait: not composed before a whole poll has gone through at this moment; NULL: it does not wait (any more)
    hold_until      INTEGER,            -- likewise: up to here it is dropped where its task is queued or started again; NULL: nothing drops it (any more)
    kept_quiet      INTEGER NOT NULL DEFAULT 0 CHECK (kept_quiet IN (0, 1)), -- quiet hours made it wait: told with the others of the night
    released_at     INTEGER,            -- when its wait was over; NULL: it still waits, or never did
    snapshot        TEXT,               -- the task as polled, as JSON: what the message is made of; NULL once suppressed
    delivery_id     INTEGER REFERENCES deliveries (id), -- the message that tells it; NULL until composed
    digest          INTEGER NOT NULL DEFAULT 0 CHECK (digest IN (0, 1)), -- told by a message that stands for many alerts
    url             TEXT,               -- the task's page in ClearML's web application; NULL where its address is unknown
    created_at      INTEGER NOT NULL,
    sent_at         INTEGER,
    dropped_at      INTEGER,            -- when a person gave up a dead one for good (`dead drop`)
    UNIQUE (rule, task_id, run, outcome, episode), -- what makes a second alert about the same end impossible
    CHECK ((outcome = 'stuck') = (episode > 0)),
    CHECK (state NOT IN ('sending', 'unknown', 'sent') OR delivery_id IS NOT NULL), -- only a message can have been sent
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK ((state = 'suppressed') = (filter IS NOT NULL)),
    CHECK (state IN ('sent', 'suppressed') OR snapshot IS NOT NULL),
    CHECK (wait_until IS NULL OR (state = 'pending' AND delivery_id IS NULL)), -- what waits by its rule waits for nothing else
    CHECK (hold_until IS NULL OR wait_until IS NOT NULL)
) STRICT;
CREATE INDEX alerts_newest ON alerts (status_changed, id);
-- What was not suppressed, with all that the week's chart counts: its rows are never looked up.
CREATE INDEX alerts_told ON alerts (status_changed, outcome, filter) WHERE filter IS NULL;
-- What an alert is of (state, outcome, rule, channel, filter, cause), then the order of pages. A page of history leaps through the
-- few different beginnings of one of the next four, and reads the first rows behind those that are asked for. Counts do likewise.
CREATE INDEX alerts_by_kind ON alerts (state, outcome, rule, channel, filter, cause, status_changed, id, sent_at);
CREATE INDEX alerts_by_project ON alerts (project_id, project, user_id, user, state, outcome, rule, channel, filter, cause, status_changed, id, sent_at);
CREATE INDEX alerts_by_user ON alerts (user_id, user, state, outcome, rule, channel, filter, cause, status_changed, id, sent_at, project);
CREATE INDEX alerts_by_reason ON alerts (reason, state, outcome, rule, channel, filter, cause, status_changed, id, sent_at) WHERE reason IS NOT NULL;
CREATE INDEX alerts_by_silence ON alerts (silence_id, status_changed, id) WHERE silence_id IS NOT NULL;
CREATE INDEX alerts_by_task ON alerts (task_id, id);
CREATE INDEX alerts_by_delivery ON alerts (delivery_id) WHERE delivery_id IS NOT NULL;
-- How late sent alerts came, the soonest first, and all that alerts are counted by, in the order of time: what `tallies` cannot
-- tell is read here, and not one row is looked up.
CREATE INDEX alerts_late ON alerts (sent_at - status_changed, status_changed, outcome, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX alerts_counted ON alerts (status_changed, state, outcome, rule, channel, filter, cause, project_id, project, user_id, user, sent_at);
-- The next six hold only what waits: asking what there is to do costs the same however long the history is.
CREATE INDEX alerts_to_compose ON alerts (channel, status_changed, id) WHERE state IN ('pending', 'held') AND delivery_id IS NULL AND wait_until IS NULL;
CREATE INDEX alerts_open ON alerts (coalesce(released_at, created_at)) WHERE state IN ('pending', 'sending', 'unknown', 'held') AND wait_until IS NULL;
CREATE INDEX alerts_waiting ON alerts (wait_until) WHERE wait_until IS NOT NULL;
CREATE INDEX alerts_on_hold ON alerts (hold_until) WHERE hold_until IS NOT NULL;
CREATE INDEX alerts_on_hold_by_task ON alerts (task_id) WHERE hold_until IS NOT NULL;
CREATE INDEX alerts_dead ON alerts (id) WHERE state = 'dead' AND dropped_at IS NULL;

-- The names in `alerts` by any three characters of them, so that a part of a name is found without reading all of them. It
-- holds no text: what it finds is compared with the alert's own name. Two blanks behind each name make every character of
-- it the first of some three, so that one or two characters are found by what three characters begin with.
CREATE VIRTUAL TABLE alert_names USING fts5 (task_name, content = '', columnsize = 0, detail = none, tokenize = 'trigram');
CREATE VIRTUAL TABLE alert_name_threes USING fts5vocab (alert_names, instance);
-- Each addition to that index costs as much as many at once do, so names are added in lots; the newest few are looked at one
-- by one.
CREATE TABLE alert_names_added (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    up_to           INTEGER NOT NULL    -- the number of the newest alert whose name was added
) STRICT;
INSERT INTO alert_names_added (id, up_to) VALUES (1, 0);
CREATE TRIGGER alerts_named AFTER INSERT ON alerts WHEN new.id >= (SELECT up_to FROM alert_names_added) + 32 BEGIN
    INSERT INTO alert_names (rowid, task_name)
        SELECT id, task_name || '  ' FROM alerts WHERE id > (SELECT up_to FROM alert_names_added) AND id <= new.id;
    UPDATE alert_names_added SET up_to = new.id;
END;
CREATE TRIGGER alert_named AFTER INSERT ON alerts WHEN new.id < (SELECT up_to FROM alert_names_added) BEGIN
    INSERT INTO alert_names (rowid, task_name) VALUES (new.id, new.task_name || '  ');
END;
CREATE TRIGGER alert_unnamed AFTER DELETE ON alerts WHEN old.id <= (SELECT up_to FROM alert_names_added) BEGIN
    INSERT INTO alert_names (alert_names, rowid, task_name) VALUES ('delete', old.id, old.task_name || '  ');
END;

-- How many alerts there are, by day, so that counting them does not read them. The triggers below keep it in the
-- transaction that changes an alert; `check --deep` counts again.
CREATE TABLE tallies (
    of              TEXT NOT NULL CHECK (of IN ('project', 'user', 'rule', 'cause', 'lateness')), -- what is counted; each alert once under each
    day             INTEGER NOT NULL,   -- of status_changed: whole days since 1970, UTC
    name            ANY NOT NULL,       -- the project, user, rule or cause; the number 0, which is no text, where there is none.
                                        --   Of lateness, which only sent alerts have: the milliseconds with which its step begins
    outcome         TEXT NOT NULL,
    pending         INTEGER NOT NULL,   -- how many stand so: this and the next six
    sending         INTEGER NOT NULL,
    unknown         INTEGER NOT NULL,
    held            INTEGER NOT NULL,
    sent            INTEGER NOT NULL,
    dead            INTEGER NOT NULL,
    suppressed      INTEGER NOT NULL,
    PRIMARY KEY (of, day, name, outcome)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tally_is_nothing AFTER UPDATE ON tallies
WHEN new.pending = 0 AND new.sending = 0 AND new.unknown = 0 AND new.held = 0 AND new.sent = 0 AND new.dead = 0 AND new.suppressed = 0
BEGIN
    DELETE FROM tallies WHERE of = new.of AND day = new.day AND name = new.name AND outcome = new.outcome;
END;
-- Nothing is in here: what is inserted is counted, `times` times. Steps of lateness are finer where more alerts are.
CREATE VIEW tallied AS
    SELECT 1 AS times, status_changed, project, user, rule, cause, outcome, state, sent_at - status_changed AS late FROM alerts WHERE false;
CREATE TRIGGER alert_tallied INSTEAD OF INSERT ON tallied BEGIN
    INSERT INTO tallies (of, day, name, outcome, pending, sending, unknown, held, sent, dead, suppressed)
    SELECT one.of, new.status_changed / 86400000 - (new.status_changed % 86400000 < 0), one.name, new.outcome,
        new.times * (new.state = 'pending'), new.times * (new.state = 'sending'), new.times * (new.state = 'unknown'),
        new.times * (new.state = 'held'), new.times * (new.state = 'sent'), new.times * (new.state = 'dead'),
        new.times * (new.state = 'suppressed')
    FROM (
        SELECT 'project' AS of, coalesce(new.project, 0) AS name
        UNION ALL SELECT 'user', coalesce(new.user, 0)
        UNION ALL SELECT 'rule', new.rule
        UNION ALL SELECT 'cause', coalesce(new.cause, 0)
        UNION ALL SELECT 'lateness', CASE
            WHEN new.late < 0 THEN -1
            WHEN new.late < 10000 THEN new.late / 100 * 100
            WHEN new.late < 120000 THEN new.late / 1000 * 1000
            WHEN new.late < 3600000 THEN new.late / 60000 * 60000
            ELSE new.late / 3600000 * 3600000 END WHERE new.late IS NOT NULL
    ) AS one WHERE true
    ON CONFLICT DO UPDATE SET pending = pending + excluded.pending, sending = sending + excluded.sending,
        unknown = unknown + excluded.unknown, held = held + excluded.held, sent = sent + excluded.sent, dead = dead + excluded.dead,
        suppressed = suppressed + excluded.suppressed;
END;
CREATE TRIGGER alert_counted AFTER INSERT ON alerts BEGIN
    INSERT INTO tallied VALUES (1, new.status_changed, new.project, new.user, new.rule, new.cause, new.outcome, new.state,
        new.sent_at - new.status_changed);
END;
CREATE TRIGGER alert_counted_anew AFTER UPDATE OF status_changed, project, user, rule, cause, outcome, state, sent_at ON alerts
WHEN (new.status_changed, new.project, new.user, new.rule, new.cause, new.outcome, new.state, new.sent_at)
    IS NOT (old.status_changed, old.project, old.user, old.rule, old.cause, old.outcome, old.state, old.sent_at)
BEGIN
    INSERT INTO tallied VALUES (-1, old.status_changed, old.project, old.user, old.rule, old.cause, old.outcome, old.state,
        old.sent_at - old.status_changed);
    INSERT INTO tallied VALUES (1, new.status_changed, new.project, new.user, new.rule, new.cause, new.outcome, new.state,
        new.sent_at - new.status_changed);
END;
CREATE TRIGGER alert_uncounted AFTER DELETE ON alerts BEGIN
    INSERT INTO tallied VALUES (-1, old.status_changed, old.project, old.user, old.rule, old.cause, old.outcome, old.state,
        old.sent_at - old.status_changed);
END;

-- What is not to be told for a while. An outcome that a silence covers is recorded as suppressed, with the silence.
CREATE TABLE silences (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    covers          TEXT NOT NULL,      -- what it covers, as JSON: {"project", "task", "users", "tags", "statuses", "rules"}; all given must fit
    author          TEXT NOT NULL,      -- who asked for it
    reason          TEXT NOT NULL,      -- and why
    starts_at       INTEGER NOT NULL,   -- it covers outcomes from here
    ends_at         INTEGER NOT NULL,   -- up to here; a person can end it earlier
    ended_by        TEXT,               -- who ended it early
    quiet_end       INTEGER NOT NULL DEFAULT 0 CHECK (quiet_end IN (0, 1)), -- nothing is posted when it ends
    closed_at       INTEGER,            -- when a poll after its end closed it; from then on no poll reads it
    created_at      INTEGER NOT NULL,
    CHECK (ends_at >= starts_at)
) STRICT;
CREATE INDEX silences_open ON silences (id) WHERE closed_at IS NULL;

-- What is to be told when a silence has ended: one line in each channel that it kept quiet.
CREATE TABLE silence_summaries (
    silence_id      INTEGER NOT NULL REFERENCES silences (id),
    channel         TEXT NOT NULL,      -- as the user named it
    delivery_id     INTEGER REFERENCES deliveries (id), -- the message that tells it; NULL until composed
    PRIMARY KEY (silence_id, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX silence_summaries_to_compose ON silence_summaries (channel) WHERE delivery_id IS NULL;
CREATE INDEX silence_summaries_by_delivery ON silence_summaries (delivery_id) WHERE delivery_id IS NOT NULL;

-- The outbox: one row a message to Slack or to a webhook, with the exact payload, so that a retry sends the same bytes.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('alert', 'digest', 'notice', 'edit')), -- edit: shows how a task stands, and tells no alert
    method          TEXT NOT NULL CHECK (method IN ('post', 'update')), -- update: edits the message of delivery `edits`
    edits           INTEGER REFERENCES deliveries (id),
    follows         INTEGER REFERENCES deliveries (id), -- it goes into the thread of this one's message
    channel         TEXT NOT NULL,      -- its lane: one message at a time, oldest first
    channel_id      TEXT NOT NULL,      -- Slack's ID of the channel, the user or the direct conversation; for a webhook its lane
    key             TEXT NOT NULL,      -- in the message's metadata: by it a message is found again in Slack; a webhook's idempotency key
    payload         TEXT NOT NULL,      -- the request's body
    form            TEXT NOT NULL DEFAULT 'full' CHECK (form IN ('full', 'without_metadata', 'text_only', 'body')),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'held', 'sent', 'dead')),
    reason          TEXT,               -- why it is in this state
    due_at          INTEGER NOT NULL,   -- not tried before this; 0: at once
    tries           INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0, -- tries in a row that Slack did not take; sets the back-off
    digest_rule     TEXT,               -- of a digest: the rule whose alerts alone it tells, where that has digests of its own
    digest_quiet    INTEGER NOT NULL DEFAULT 0 CHECK (digest_quiet IN (0, 1)), -- of a digest: it tells what quiet hours kept
    first_try_at    INTEGER,            -- when it was first tried, by Slack's clock: where to begin to look for it
    looks           INTEGER NOT NULL DEFAULT 0, -- how often a message whose answer was lost has been looked for since
    kept_at         INTEGER,            -- since when it is kept, its answer lost, until a person decides (`--on-unknown hold`)
    possible_duplicate INTEGER NOT NULL DEFAULT 0 CHECK (possible_duplicate IN (0, 1)), -- sent again without knowing whether the first had arrived
    message_ts      TEXT,               -- Slack's ID of the message; webhooks give none
    created_at      INTEGER NOT NULL,
    sent_at         INTEGER,
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    -- Nothing is sent without Slack's word for it; the word of a webhook holds no ID.
    CHECK (state <> 'sent' OR message_ts IS NOT NULL OR channel GLOB 'webhook:*' OR channel GLOB 'slack-webhook:*'),
    CHECK (kept_at IS NULL OR state = 'unknown')
) STRICT;
CREATE INDEX deliveries_open ON deliveries (channel, id) WHERE state IN ('pending', 'sending', 'unknown', 'held');
CREATE INDEX deliveries_digests ON deliveries (channel, sent_at) WHERE kind = 'digest' AND method = 'post';
CREATE INDEX deliveries_edits ON deliveries (edits) WHERE edits IS NOT NULL;
CREATE INDEX deliveries_follows ON deliveries (follows) WHERE follows IS NOT NULL;

-- Which messages were ever to tell an alert: one that is composed anew keeps the attempts of its earlier messages.
CREATE TABLE tellings (
    alert_id        INTEGER NOT NULL REFERENCES alerts (id),
    delivery_id     INTEGER NOT NULL REFERENCES deliveries (id),
    PRIMARY KEY (alert_id, delivery_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tellings_by_delivery ON tellings (delivery_id);

-- Messages that are kept current (`thread = true`): the first that told a rule's alert about a task by itself. Later alerts
-- follow in its thread, and it is edited to show how the task stands. An edit is never an alert.
CREATE TABLE threads (
    task_id         TEXT NOT NULL REFERENCES tasks (task_id),
    rule            TEXT NOT NULL,
    delivery_id     INTEGER NOT NULL REFERENCES deliveries (id),
    channel         TEXT NOT NULL,      -- its lane
    told            TEXT NOT NULL,      -- how the task stood when the alert was decided, as JSON: {"run", "status", "since"}
    shown           TEXT NOT NULL,      -- how the newest edit shows it, likewise; composed, perhaps still on its way
    wanted          TEXT NOT NULL,      -- how it stands by now; where it is not what is shown, an edit is due
    PRIMARY KEY (task_id, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_by_delivery ON threads (delivery_id);
CREATE INDEX threads_to_edit ON threads (channel, delivery_id) WHERE shown <> wanted;

-- Episodes of running tasks that are stuck (`stuck` of a rule), while they last: one is told once, and is over when the task
-- has moved twice or does not run any more.
CREATE TABLE stuck (
    task_id         TEXT NOT NULL REFERENCES tasks (task_id),
    rule            TEXT NOT NULL,
    episode         TEXT NOT NULL,      -- what the newest look saw, as JSON: {"run", "by_iteration", "last_update", "iteration", "moves"}
    PRIMARY KEY (task_id, rule)
) STRICT, WITHOUT ROWID;

-- Since when a running task has stood at its iteration, which ClearML does not say; only where a rule asks.
CREATE TABLE iterations (
    task_id         TEXT PRIMARY KEY,
    run             INTEGER NOT NULL,
    iteration       INTEGER NOT NULL,
    since           INTEGER NOT NULL    -- the look that saw it first, by ClearML's clock
) STRICT, WITHOUT ROWID;

-- Every try to send a delivery: written before the request, completed after the answer.
CREATE TABLE attempts (
    id              INTEGER PRIMARY KEY,
    delivery_id     INTEGER NOT NULL REFERENCES deliveries (id),
    started_at      INTEGER NOT NULL,
    payload_sha256  TEXT NOT NULL,
    payload_bytes   INTEGER NOT NULL,
    class           TEXT,               -- what the answer meant; NULL while it is not known, also after a kill
    http_status     INTEGER,
    error           TEXT,               -- Slack's error or what happened to the connection
    detail          TEXT,               -- what else Slack said: the names of wrong blocks, missing scopes
    took_ms         INTEGER
) STRICT;
CREATE INDEX attempts_by_delivery ON attempts (delivery_id, id);

-- What is remembered of a lane of the outbox.
CREATE TABLE channels (
    name            TEXT PRIMARY KEY,   -- the lane: a channel as the user named it, owner:ID, slack-webhook:NAME, webhook:NAME
    channel_id      TEXT,               -- Slack's ID of the channel or of the direct conversation: found once, then remembered
    parked_at       INTEGER,            -- since when a person must act before anything can be posted; NULL: it works
    parked_reason   TEXT,               -- what Slack said, and what to do
    retry_at        INTEGER             -- when a parked channel is tried again
) STRICT, WITHOUT ROWID;

-- Waits that Slack asked for (Retry-After), so that a restart honours them.
CREATE TABLE pauses (
    method          TEXT PRIMARY KEY,   -- Slack's method
    until_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- People found at Slack by their e-mail address, so that each is looked up once.
CREATE TABLE slack_users (
    email           TEXT PRIMARY KEY,   -- as the configuration has it
    user_id         TEXT NOT NULL       -- Slack's ID
) STRICT, WITHOUT ROWID;
