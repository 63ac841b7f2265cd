//! Every row of the table of Slack's answers, from the answer to what becomes of the alert.

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Running, World, wait_until};

const POST: &str = "chat.postMessage";
const NO_HISTORY: [&str; 3] = ["chat:write", "channels:read", "channels:join"];

const WAIT: [&str; 3] = ["ratelimited", "rate_limited", "request_timeout"];
const WAIT_LONG: [&str; 3] = ["message_limit_exceeded", "team_added_to_org", "org_login_required"];
const AMBIGUOUS: [&str; 5] =
    ["service_unavailable", "fatal_error", "internal_error", "duplicate_message_not_found", "invented_yesterday"];
const OPERATOR: [&str; 25] = [
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "not_allowed_token_type",
    "no_permission",
    "access_denied",
    "accesslimited",
    "app_access_restricted",
    "team_access_not_granted",
    "enterprise_is_restricted",
    "two_factor_setup_required",
    "ekm_access_denied",
    "channel_not_found",
    "is_archived",
    "team_not_found",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "messages_tab_disabled",
    "slack_connect_file_upload_sharing_blocked",
    "slack_connect_anything",
    "method_not_supported_for_channel_type",
];
const PAYLOAD: [&str; 22] = [
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "metadata_too_large",
    "metadata_must_be_sent_from_app",
    "too_many_attachments",
    "invalid_arguments",
    "invalid_arg_name",
    "invalid_array_arg",
    "invalid_charset",
    "invalid_json",
    "json_not_object",
    "unknown_method",
    "method_deprecated",
    "cannot_reply_to_message",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "message_not_found",
];

/// A service whose waits are a thousandth of the usual ones.
fn impatient_service(world: &World, more: &[&str]) -> Running {
    Running::start(world.service_command(more).env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.001"))
}

/// The classes of the attempts to tell of a task, in order, as the database keeps them.
fn classes(world: &World, task_name: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(world.database()).unwrap();
    let sql = "SELECT coalesce(class, '?') FROM attempts WHERE delivery_id =
                   (SELECT delivery_id FROM alerts WHERE task_name = ?1) ORDER BY id";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([task_name], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Slack answers the first post of each alert with a code; the alert arrives all the same, once.
fn each_arrives(codes: &[&str], fault: impl Fn(&str) -> Fault, expected: &[&str]) -> World {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &[]);
    for (position, code) in codes.iter().enumerate() {
        world.slack.faults().push(FaultRule::next(fault(code)).on(POST));
        world.failed_task(code);
        world.wait_for_messages(position + 1);
        world.wait_for_state(code, "sent");
        assert_eq!(classes(&world, code), expected, "{code}");
    }
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(codes);
    world
}

#[test]
fn not_delivered_is_sent_again() {
    each_arrives(&WAIT, Fault::slack_error, &["not_delivered", "sent"]);
    each_arrives(&WAIT_LONG, Fault::slack_error, &["not_delivered", "sent"]);
}

#[test]
fn ambiguous_and_not_there_is_sent_again_after_a_look() {
    let world = each_arrives(&AMBIGUOUS, Fault::slack_error, &["ambiguous", "sent"]);
    assert!(world.slack.requests().count("conversations.history") >= 2 * AMBIGUOUS.len() as u64);
}

#[test]
fn ambiguous_and_there_is_not_sent_again() {
    each_arrives(&AMBIGUOUS, |code| Fault::slack_error(code).after_applying(), &["ambiguous"]);
    each_arrives(
        &["500", "502", "503", "504"],
        |status| Fault::html(status.parse().unwrap()).after_applying(),
        &["ambiguous"],
    );
    let answers = [Fault::apply_then_reset(), Fault::cut_body(), Fault::cut_json(), Fault::not_json().after_applying()];
    for fault in answers {
        each_arrives(&["answer lost"], |_| fault.clone(), &["ambiguous"]);
    }
}

#[test]
fn a_channel_that_a_person_must_mend_is_tried_until_it_works() {
    let world = each_arrives(&OPERATOR, Fault::slack_error, &["operator_must_act", "sent"]);
    assert!(world.history(&["--limit", "100"]).iter().all(|row| row["reason"].is_null()));
}

#[test]
fn a_refused_payload_goes_out_plainer() {
    let world = each_arrives(&PAYLOAD, Fault::slack_error, &["payload_refused", "sent"]);
    let messages = world.slack.messages(CHANNEL);
    assert!(messages.iter().all(|message| message.metadata.is_none() && !message.blocks.is_empty()));
}

#[test]
fn refused_twice_it_is_text_and_refused_thrice_it_is_dead() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &[]);
    world.slack.faults().push(FaultRule::next(Fault::slack_error("invalid_blocks")).on(POST).times(2));
    let task = world.failed_task("text only");
    let messages = world.wait_for_messages(1);
    assert!(messages[0].metadata.is_none() && messages[0].blocks.is_empty());
    assert!(messages[0].text.contains(&task), "{}", messages[0].text);
    world.slack.faults().push(FaultRule::next(Fault::slack_error("msg_too_long")).on(POST).times(3));
    world.failed_task("dead");
    world.wait_for_state("dead", "dead");
    world.failed_task("after the dead");
    world.wait_for_messages(2);
    assert_eq!(service.stop().code, 0);
    assert_eq!(classes(&world, "dead"), ["payload_refused"; 3]);
    let dead = world.history(&["--state", "dead"]);
    assert!(dead[0]["reason"].as_str().unwrap().contains("msg_too_long"), "{dead:?}");
}

#[test]
fn a_lost_text_is_not_taken_for_another_one_of_the_same_words() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &[]);
    // Slack takes no metadata at all; the same task fails twice with the same words, and the second answer is lost.
    let refused = || FaultRule::next(Fault::slack_error("invalid_metadata_format")).on(POST);
    world.slack.faults().push(refused());
    let task = world.failed_task("twice");
    world.wait_for_messages(1);
    world.wait_for_state("twice", "sent");
    world.slack.faults().script([refused(), FaultRule::next(Fault::reset()).on(POST)]);
    world.clearml.reset(&task).unwrap();
    world.wait_for_polls(2);
    world.clearml.start_task(&task).unwrap();
    world.clearml.report_iteration(&task, 7).unwrap();
    world.clearml.fail(&task, "RuntimeError: CUDA out of memory", "it failed").unwrap();
    world.wait_for_messages(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["twice", "twice"]);
}

#[test]
fn a_wait_that_slack_asked_for_survives_a_restart() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.faults().push(FaultRule::next(Fault::slack_rate_limited(1_800)).on(POST));
    world.failed_task("limited");
    let service = world.start(&[]);
    wait_until("a post", || world.slack.requests().count(POST) == 1);
    world.wait_for_state("limited", "pending");
    service.kill();
    let service = world.start(&[]);
    world.failed_task("after it");
    world.wait_for_polls(5);
    service.kill();
    assert_eq!(world.slack.requests().count(POST), 1, "the wait is not over");
    world.sql("UPDATE pauses SET until_at = 0; UPDATE deliveries SET due_at = 0 WHERE state = 'pending'");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["limited", "after it"]);
}

#[test]
fn without_the_history_scope_a_lost_answer_is_sent_again_and_marked() {
    let world = World::new();
    world.slack.set_scopes(&NO_HISTORY);
    assert_eq!(world.once(&[]).code, 0);
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on(POST));
    world.failed_task("lost");
    let ended = world.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("channels:history"), "{}", ended.stderr);
    world.assert_alerts(&["lost", "lost"]);
    let reason = world.history(&[])[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("possible duplicate"), "{reason}");
}

#[test]
fn held_back_it_waits_for_a_person_or_for_the_scope_and_lets_others_pass() {
    let world = World::new();
    world.slack.set_scopes(&NO_HISTORY);
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &["--on-unknown", "hold"]);
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on(POST));
    world.failed_task("lost");
    world.wait_for_state("lost", "unknown");
    world.failed_task("next");
    world.wait_for_state("next", "sent");
    world.slack.set_scopes(&["chat:write", "channels:read", "channels:history"]);
    world.wait_for_state("lost", "sent");
    let ended = service.stop();
    assert_eq!(ended.stderr.matches("kept (--on-unknown hold)").count(), 1, "{}", ended.stderr);
    world.assert_alerts(&["lost", "next"]);
}

#[test]
fn a_revoked_token_holds_everything_with_one_loud_line() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &[]);
    world.failed_task("before");
    world.wait_for_state("before", "sent");
    world.slack.revoke_token("token_revoked");
    let names = ["one", "two", "three"];
    for name in &names {
        world.failed_task(name);
    }
    for name in &names {
        world.wait_for_state(name, "held");
    }
    // It is tried again and again, and not spoken of again and again.
    let tried = world.slack.requests().total();
    wait_until("some tries", || world.slack.requests().total() > tried + 5);
    world.slack.restore_token();
    world.wait_for_messages(4);
    let ended = service.stop();
    assert_eq!(ended.stderr.matches("held until somebody acts").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("token_revoked"), "{}", ended.stderr);
    world.assert_alerts(&["before", "one", "two", "three"]);
}

#[test]
fn what_is_held_drains_after_a_restart_with_a_new_token() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("before");
    assert_eq!(world.once(&[]).code, 0);
    let service = world.start(&[]);
    world.wait_for_polls(1);
    world.slack.revoke_token("account_inactive");
    world.failed_task("held");
    world.wait_for_state("held", "held");
    assert_eq!(service.stop().code, 0);
    world.slack.replace_token("xoxb-sandbox-new-token");
    // Its probe would be due in 0.6 s at the usual factor; a start tries at once, here a minute early.
    let mut command = world.service_command(&[]);
    let service = Running::start(command.env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "1"));
    world.wait_for_messages(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["before", "held"]);
}

#[test]
fn a_lost_answer_under_a_revoked_token_is_loud_too() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let service = impatient_service(&world, &[]);
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on(POST));
    world
        .slack
        .faults()
        .push(FaultRule::next(Fault::slack_error("token_revoked")).on("conversations.history").times(5));
    world.failed_task("lost");
    world.wait_for_state("lost", "sent");
    let ended = service.stop();
    assert_eq!(ended.stderr.matches("held until somebody acts").count(), 1, "{}", ended.stderr);
    world.assert_alerts(&["lost"]);
}

#[test]
fn a_bot_that_was_thrown_out_joins_once() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.change_channel(CHANNEL, |channel| channel.joined = false);
    let service = impatient_service(&world, &[]);
    world.failed_task("joins");
    world.wait_for_state("joins", "sent");
    assert_eq!(world.slack.requests().count("conversations.join"), 1);
    world.slack.set_scopes(&["chat:write", "channels:read", "channels:history"]);
    world.slack.change_channel(CHANNEL, |channel| channel.joined = false);
    world.failed_task("must be invited");
    world.wait_for_state("must be invited", "held");
    let tried = world.slack.requests().count(POST);
    crate::world::wait_until("some tries", || world.slack.requests().count(POST) > tried + 3);
    world.slack.change_channel(CHANNEL, |channel| channel.joined = true);
    world.wait_for_state("must be invited", "sent");
    let ended = service.stop();
    assert_eq!(world.slack.requests().count("conversations.join"), 2, "once each time is enough");
    assert!(ended.stderr.contains("/invite"), "{}", ended.stderr);
    world.assert_alerts(&["joins", "must be invited"]);
}

#[test]
fn a_renamed_channel_is_the_same_channel() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("before");
    assert_eq!(world.once(&[]).code, 0);
    world.slack.change_channel(CHANNEL, |channel| channel.name = "renamed".to_owned());
    world.failed_task("after");
    assert_eq!(world.once(&[]).code, 0);
    assert_eq!(world.slack.messages("renamed").len(), 2);
}

#[test]
fn slack_away_for_a_while_loses_nothing() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("before");
    assert_eq!(world.once(&[]).code, 0);
    world.slack.set_online(false);
    let service = impatient_service(&world, &[]);
    world.failed_task("while it is away");
    world.wait_for_polls(3);
    world.slack.set_online(true);
    world.wait_for_messages(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["before", "while it is away"]);
}
