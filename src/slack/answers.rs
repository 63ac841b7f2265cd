//! What an answer of Slack means: the whole table, as data, in one place. Nothing here touches the network.
//!
//! Slack answers HTTP 200 with `ok: false` and an error code for nearly everything, and invents new codes without
//! notice. So a code that is not in the table is [`Class::Ambiguous`]: it may have been delivered, and is looked for
//! before anything is sent again.

use std::fmt;

/// What a failed call means for the caller: what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Certainly not delivered: wait and try again, as often as it takes.
    NotDelivered {
        /// The cause will not pass in seconds: back off for long.
        long: bool,
    },
    /// May have been delivered: look for it before sending again.
    Ambiguous,
    /// A person must change something first; keep everything and try again now and then.
    OperatorMustAct,
    /// The bot is not in this public channel: join once, try once more.
    NotInChannel,
    /// This payload can never be accepted: send a poorer one.
    PayloadRefused,
    /// The channel or the thread takes no reply: post at top level.
    ThreadOnly,
}

impl Class {
    /// The word for the database, logs and history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotDelivered { .. } => "not_delivered",
            Self::Ambiguous => "ambiguous",
            Self::OperatorMustAct => "operator_must_act",
            Self::NotInChannel => "not_in_channel",
            Self::PayloadRefused => "payload_refused",
            Self::ThreadOnly => "thread_only",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Error codes that mean the same and ask for the same of the operator.
#[derive(Debug)]
pub struct Group {
    /// What they mean.
    pub class: Class,
    /// Slack's words; `*` in one stands for any text.
    pub codes: &'static [&'static str],
    /// What a person should do. `{needed}` stands for the scope that Slack names as missing.
    pub advice: &'static str,
}

const SHORT_WAIT: Class = Class::NotDelivered { long: false };
const LONG_WAIT: Class = Class::NotDelivered { long: true };

/// Advice for whatever Slack may invent, and for answers that cannot be read.
const LOOK_FOR_IT: &str = "nothing to do at once: the outcome is unknown, so it is looked for before anything is sent \
                           again; if it persists, see https://slack-status.com";
const POORER_MESSAGE: &str = "nothing to do at once: a simpler message is tried; please report it with the detail";
const NEW_TOKEN: &str = "Slack does not accept the token: set SLACK_API_TOKEN, or --slack-api, to the whole bot token \
                         (xoxb-…) of the Slack app; if it worked before, reinstall the app to the workspace";
const ASK_ADMINISTRATOR: &str = "the workspace does not let this app do that: ask a workspace administrator to approve \
                                 the app and what it may do";
const POSTING_RESTRICTED: &str = "who may post in this channel is restricted: allow the app in the channel's posting \
                                  permissions, or choose another channel";

/// The table. Every code that Slack's reference and its users' reports name for the methods used here, once.
pub static TABLE: &[Group] = &[
    Group {
        class: SHORT_WAIT,
        codes: &["ratelimited", "rate_limited", "request_timeout"],
        advice: "nothing to do: Slack asks to wait, and it is tried again by itself",
    },
    Group {
        class: LONG_WAIT,
        codes: &["message_limit_exceeded"],
        advice: "the workspace has used up its messages; it is tried again at long intervals, and a workspace \
                 administrator can see and raise the limit of its plan",
    },
    Group {
        class: LONG_WAIT,
        codes: &["team_added_to_org", "org_login_required"],
        advice: "the workspace is being moved into an Enterprise organisation; it is tried again at long intervals, and \
                 a workspace administrator knows when the move ends",
    },
    Group {
        class: Class::Ambiguous,
        codes: &["service_unavailable", "fatal_error", "internal_error", "duplicate_*_not_found"],
        advice: LOOK_FOR_IT,
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["not_authed"],
        advice: "no token reached Slack: give the app's bot token (xoxb-…) with SLACK_API_TOKEN or --slack-api",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["invalid_auth", "account_inactive", "token_revoked", "token_expired"],
        advice: NEW_TOKEN,
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["missing_scope"],
        advice: "add the bot scope {needed} to the Slack app (OAuth & Permissions), reinstall the app, and use the \
                 token it then shows",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["not_allowed_token_type"],
        advice: "this kind of token cannot do that: give the app's bot token, the one that starts with xoxb-",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &[
            "no_permission",
            "access_denied",
            "accesslimited",
            "app_access_restricted",
            "team_access_not_granted",
            "enterprise_is_restricted",
            "ekm_access_denied",
        ],
        advice: ASK_ADMINISTRATOR,
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["two_factor_setup_required"],
        advice: "the workspace requires two-factor authentication: whoever installed the app must set it up",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["channel_not_found"],
        advice: "there is no such channel, or it is private and the bot is not in it: check the name, give a private \
                 channel by its ID (C…), and type /invite @the-bot in it",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["is_archived"],
        advice: "the channel is archived: unarchive it, or choose another channel",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["team_not_found"],
        advice: "Slack does not know the workspace of this token: check that the token belongs to the workspace with \
                 the channel",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"],
        advice: POSTING_RESTRICTED,
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["messages_tab_disabled"],
        advice: "the app takes no direct messages: turn on the Messages Tab in its App Home, or choose a channel",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["slack_connect_*"],
        advice: "the channel is shared with another organisation that does not let this app in: ask its \
                 administrators, or choose another channel",
    },
    Group {
        class: Class::OperatorMustAct,
        codes: &["method_not_supported_for_channel_type"],
        advice: "the bot cannot enter this channel by itself: type /invite @the-bot in it",
    },
    Group {
        class: Class::NotInChannel,
        codes: &["not_in_channel"],
        advice: "the bot is not in the channel: type /invite @the-bot in it, or give the app the scope channels:join",
    },
    Group {
        class: Class::PayloadRefused,
        codes: &[
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
        ],
        advice: POORER_MESSAGE,
    },
    Group {
        class: Class::ThreadOnly,
        codes: &[
            "cannot_reply_to_message",
            "restricted_action_non_threadable_channel",
            "restricted_action_thread_locked",
            "message_not_found",
            "thread_not_found",
        ],
        advice: "nothing to do: it is posted outside of the thread",
    },
];

/// What happened to a request that brought no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// No connection could be made: no byte of the request was sent.
    NothingSent,
    /// The connection broke or time ran out after sending began.
    LostAfterSending,
    /// The answer is not JSON, is cut off, is too large, has no `ok`, or says `ok` without what must come with it.
    Unreadable,
}

/// What an error code of Slack means, and what a person should do.
pub fn of_code(code: &str) -> (Class, &'static str) {
    TABLE
        .iter()
        .find(|group| group.codes.iter().any(|pattern| matches(pattern, code)))
        .map_or((Class::Ambiguous, LOOK_FOR_IT), |group| (group.class, group.advice))
}

/// What an HTTP status means where it decides whatever the body says: 429, 5xx and redirects. Others leave it to the
/// body.
pub fn of_status(status: u16) -> Option<(Class, &'static str)> {
    match status {
        429 => Some(of_code("ratelimited")),
        300..=399 => Some((
            Class::OperatorMustAct,
            "the Slack address redirects elsewhere, and redirects are not followed because the token would go along: \
             give the final address with --slack-api-url or SLACK_API_URL",
        )),
        500..=599 => Some((Class::Ambiguous, LOOK_FOR_IT)),
        _ => None,
    }
}

/// What a request without a usable answer means.
pub fn of_mishap(mishap: Mishap) -> (Class, &'static str) {
    match mishap {
        Mishap::NothingSent => (
            SHORT_WAIT,
            "it is tried again by itself; if it persists, check the network, the proxy settings and --slack-api-url",
        ),
        Mishap::LostAfterSending | Mishap::Unreadable => (Class::Ambiguous, LOOK_FOR_IT),
    }
}

fn matches(pattern: &str, code: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == code,
        Some((start, end)) => code.len() >= start.len() + end.len() && code.starts_with(start) && code.ends_with(end),
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
