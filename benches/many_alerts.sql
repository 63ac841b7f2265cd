-- A history of {rows} alerts, for the benchmark and for the tests of what a page costs: 200 projects of very different size,
-- 40 users, three rules, most of it sent, some of it suppressed, a little of it dead, and a few that wait.
CREATE TEMP TABLE n AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n;
CREATE TEMP TABLE seeds AS
    SELECT i, 1790000000000 + i * 3000 + (i * 7919) % 997 AS changed,
        -- Fourth powers: the first project has most of the alerts, the last next to none.
        CAST(199 * x * x * x * x AS INTEGER) AS project,
        ((i * 2654435761) / 1024) % 40 AS person, CASE WHEN i % 10 < 7 THEN 'failed' WHEN i % 10 < 9 THEN 'completed' ELSE 'stopped' END AS outcome,
        CASE WHEN i % 1000 = 1 THEN 'dead' WHEN i % 100 = 7 THEN 'held' WHEN i % 4 = 0 THEN 'suppressed' ELSE 'sent' END AS state
    FROM (SELECT i, ((i * 2654435761) % 100000) / 100000.0 AS x FROM n);
INSERT INTO silences (id, covers, author, reason, starts_at, ends_at, created_at) VALUES (1, '{}', 'ada', 'x', 0, 1, 0);
INSERT INTO tasks (task_id, name, kind, project_id, project, user_id, user, status, status_changed, run, run_outcomes,
        first_seen_at, last_change_at)
    SELECT printf('%032x', i), 'resnet50 run ' || i, 'training', 'p' || project, 'team/project ' || project, 'u' || person,
        'Person ' || person, outcome, changed, 1, 1, changed, changed FROM seeds;
INSERT INTO deliveries (id, kind, method, channel, channel_id, key, payload, state, reason, due_at, tries, message_ts,
        created_at, sent_at)
    SELECT i, 'alert', 'post', '#ml-alerts', 'C0MLALERTS', 'k' || i, '{"text": "' || hex(zeroblob(200)) || '"}',
        state, NULL, 0, 1, iif(state = 'sent', '1790000000.000100', NULL), changed + 1000,
        iif(state = 'sent', changed + 1000 + (i * 31) % 5000, NULL)
    FROM seeds WHERE state <> 'suppressed';
INSERT INTO alerts (id, rule, task_id, run, outcome, status_changed, task_name, project_id, project, user_id, user, state,
        filter, reason, cause, cause_detail, channel, silence_id, snapshot, delivery_id, url, created_at, sent_at)
    SELECT i, CASE WHEN i % 50 = 0 THEN 'nightly' WHEN i % 3 = 0 THEN 'vision' ELSE 'default' END, printf('%032x', i), 1,
        outcome, changed, 'resnet50 run ' || i, 'p' || project, 'team/project ' || project, 'u' || person,
        'Person ' || person, state, iif(state = 'suppressed', 'iterations', NULL),
        iif(state = 'suppressed', 'iterations: 0 of at least 10', NULL),
        CASE WHEN outcome = 'completed' THEN NULL WHEN outcome = 'stopped' THEN 'aborted_by_user' WHEN i % 90 = 3 THEN 'cuda_out_of_memory'
            WHEN i % 7 = 1 THEN 'exit_code' ELSE 'crash' END, iif(outcome = 'completed', NULL, 'ValueError: number ' || i), '#ml-alerts', iif(i % 5000 = 0, 1, NULL),
        iif(state = 'suppressed', NULL, '{"id": "' || hex(zeroblob(300)) || '"}'),
        iif(state = 'suppressed', NULL, i), 'https://app.example.com/projects/p' || project || '/tasks/' || i,
        changed + 900, iif(state = 'sent', changed + 1000 + (i * 31) % 5000, NULL)
    FROM seeds;
INSERT INTO tellings (alert_id, delivery_id) SELECT i, i FROM seeds WHERE state <> 'suppressed';
DROP TABLE seeds;
DROP TABLE n;
