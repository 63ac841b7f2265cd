use std::collections::HashSet;

use super::*;

const RETRY: Class = Class::NotDelivered { long: false };
const RETRY_LATE: Class = Class::NotDelivered { long: true };

/// The rows of the contract, written out again: a row that is dropped from the table, or moved, fails here.
const CONTRACT: &[(Class, &str)] = &[
    (RETRY, "ratelimited rate_limited request_timeout"),
    (RETRY_LATE, "message_limit_exceeded team_added_to_org org_login_required"),
    (Class::Ambiguous, "service_unavailable fatal_error internal_error"),
    (Class::Ambiguous, "duplicate_channel_not_found duplicate_message_not_found"),
    (Class::OperatorMustAct, "not_authed invalid_auth account_inactive token_revoked token_expired missing_scope"),
    (Class::OperatorMustAct, "not_allowed_token_type no_permission access_denied accesslimited app_access_restricted"),
    (Class::OperatorMustAct, "team_access_not_granted enterprise_is_restricted two_factor_setup_required"),
    (Class::OperatorMustAct, "ekm_access_denied channel_not_found is_archived team_not_found restricted_action"),
    (Class::OperatorMustAct, "restricted_action_read_only_channel restricted_action_thread_only_channel"),
    (Class::OperatorMustAct, "messages_tab_disabled method_not_supported_for_channel_type"),
    (Class::OperatorMustAct, "slack_connect_file_link_sharing_blocked slack_connect_canvas_sharing_blocked"),
    (Class::NotInChannel, "not_in_channel"),
    (Class::PayloadRefused, "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text"),
    (Class::PayloadRefused, "invalid_metadata_format invalid_metadata_schema metadata_too_large"),
    (Class::PayloadRefused, "metadata_must_be_sent_from_app too_many_attachments invalid_arguments invalid_arg_name"),
    (Class::PayloadRefused, "invalid_array_arg invalid_charset invalid_json json_not_object unknown_method"),
    (Class::PayloadRefused, "method_deprecated"),
    (Class::ThreadOnly, "cannot_reply_to_message restricted_action_non_threadable_channel"),
    (Class::ThreadOnly, "restricted_action_thread_locked message_not_found"),
    // From the reference of conversations.replies: a thread that is not there.
    (Class::ThreadOnly, "thread_not_found"),
];

/// Every row but the default's own must be in the table by name, not by luck.
fn is_listed(code: &str) -> bool {
    TABLE.iter().flat_map(|group| group.codes).any(|pattern| matches(pattern, code))
}

#[test]
fn every_row_of_the_contract_has_its_class() {
    for (class, codes) in CONTRACT {
        for code in codes.split(' ') {
            assert_eq!(of_code(code).0, *class, "{code}");
            assert!(is_listed(code), "{code}");
        }
    }
}

#[test]
fn the_table_holds_nothing_that_the_contract_does_not_name() {
    let named: HashSet<&str> = CONTRACT.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
    for pattern in TABLE.iter().flat_map(|group| group.codes) {
        assert!(named.iter().any(|code| matches(pattern, code)), "{pattern}");
    }
}

#[test]
fn no_code_is_listed_twice_and_no_group_is_without_advice() {
    let mut seen = HashSet::new();
    for group in TABLE {
        assert!(!group.advice.is_empty(), "{:?}", group.codes);
        for code in group.codes {
            assert!(seen.insert(code), "{code}");
        }
    }
}

#[test]
fn whatever_slack_may_invent_is_ambiguous() {
    for code in [
        "",
        "quantum_flux",
        "duplicate_not_found_",
        "duplicate__found",
        "not_in_channel ",
        "NOT_AUTHED",
        "slack_connect",
        "duplicate_not_found",
        "okay",
        "*",
    ] {
        assert_eq!(of_code(code).0, Class::Ambiguous, "{code}");
    }
}

#[test]
fn the_status_decides_only_where_the_body_cannot() {
    let classes = |range: std::ops::RangeInclusive<u16>| {
        range.map(|status| of_status(status).map(|(class, _)| class)).collect::<HashSet<_>>()
    };
    assert_eq!(classes(200..=299), HashSet::from([None]));
    assert_eq!(classes(300..=399), HashSet::from([Some(Class::OperatorMustAct)]));
    assert_eq!(classes(400..=428), HashSet::from([None]));
    assert_eq!(classes(429..=429), HashSet::from([Some(RETRY)]));
    assert_eq!(classes(430..=499), HashSet::from([None]));
    assert_eq!(classes(500..=599), HashSet::from([Some(Class::Ambiguous)]));
}

#[test]
fn only_a_request_that_never_left_is_certainly_not_delivered() {
    assert_eq!(of_mishap(Mishap::NothingSent).0, RETRY);
    assert_eq!(of_mishap(Mishap::LostAfterSending).0, Class::Ambiguous);
    assert_eq!(of_mishap(Mishap::Unreadable).0, Class::Ambiguous);
}

#[test]
fn a_missing_scope_asks_for_the_scope_that_slack_names() {
    assert!(of_code("missing_scope").1.contains("{needed}"));
}
