//! The methods that the simulated Slack has: which arguments each takes, which scopes it needs, where it is answered.

use serde_json::{Value, json};

use super::call::{Call, Outcome, Refusal, body};
use super::state::{Token, Workspace};
use super::{chat, conversations};

/// What a method takes.
struct Signature {
    name: &'static str,
    /// Whether Slack lists JSON among what it reads.
    json: bool,
    arguments: &'static [&'static str],
}

const SIGNATURES: [Signature; 12] = [
    Signature { name: "auth.test", json: true, arguments: &[] },
    Signature {
        name: "conversations.list",
        json: false,
        arguments: &["cursor", "exclude_archived", "limit", "team_id", "types"],
    },
    Signature { name: "conversations.join", json: false, arguments: &["channel"] },
    Signature {
        name: "conversations.info",
        json: false,
        arguments: &["channel", "include_locale", "include_num_members"],
    },
    Signature {
        name: "conversations.history",
        json: false,
        arguments: &["channel", "cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest"],
    },
    Signature {
        name: "conversations.replies",
        json: false,
        arguments: &["channel", "cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest", "ts"],
    },
    Signature {
        name: "conversations.open",
        json: true,
        arguments: &["channel", "prevent_creation", "return_im", "users"],
    },
    Signature { name: "users.lookupByEmail", json: false, arguments: &["email"] },
    Signature { name: "chat.getPermalink", json: false, arguments: &["channel", "message_ts"] },
    Signature {
        name: "chat.postMessage",
        json: true,
        arguments: &[
            "channel",
            "text",
            "blocks",
            "thread_ts",
            "reply_broadcast",
            "unfurl_links",
            "unfurl_media",
            "metadata",
            "mrkdwn",
            "parse",
        ],
    },
    Signature {
        name: "chat.update",
        json: true,
        arguments: &["channel", "ts", "text", "blocks", "metadata", "parse", "reply_broadcast"],
    },
    Signature { name: "chat.delete", json: true, arguments: &["channel", "ts"] },
];

/// Arguments that this program has no business sending: they need another scope, or make words into mentions.
const UNWANTED: [&str; 6] = ["username", "icon_url", "icon_emoji", "link_names", "as_user", "attachments"];

/// Answers a call.
pub(crate) fn call(workspace: &mut Workspace, call: &Call) -> Outcome {
    if call.method == "api.test" {
        return match call.text("error") {
            Some(error) => Err(Refusal::new(&error).with("args", json!(call.args))),
            None => Ok(body([("args", json!(call.args))])),
        };
    }
    let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == call.method) else {
        return Err(Refusal::new("unknown_method").with("req_method", json!(call.method)));
    };
    let token = authenticate(workspace, call)?;
    let call = &heeded(workspace, call, signature);
    match signature.name {
        "auth.test" => Ok(auth_test(workspace)),
        "conversations.list" => conversations::list(workspace, call, &token),
        "conversations.join" => conversations::join(workspace, call, &token),
        "conversations.info" => conversations::info(workspace, call, &token),
        "conversations.history" => conversations::history(workspace, call, &token),
        "conversations.replies" => conversations::replies(workspace, call, &token),
        "conversations.open" => conversations::open(workspace, call, &token),
        "users.lookupByEmail" => conversations::look_up_by_email(workspace, call, &token),
        "chat.getPermalink" => chat::permalink(workspace, call),
        "chat.postMessage" => chat::post(workspace, call, &token),
        "chat.update" => chat::update(workspace, call, &token),
        _ => chat::delete(workspace, call, &token),
    }
}

fn authenticate(workspace: &Workspace, call: &Call) -> Result<Token, Refusal> {
    let given = call.token.as_deref().ok_or_else(|| Refusal::new("not_authed"))?;
    let token = workspace.tokens.iter().find(|token| token.secret == given);
    let token = token.ok_or_else(|| Refusal::new("invalid_auth"))?;
    match &token.refused {
        Some(error) => Err(Refusal::new(error)),
        None => Ok(token.clone()),
    }
}

/// Notes arguments that should not be there, and drops what Slack would not read.
fn heeded(workspace: &mut Workspace, call: &Call, signature: &Signature) -> Call {
    let mut call = call.clone();
    if call.is_json && !signature.json {
        workspace.violate(signature.name, "JSON, where Slack lists only forms", None);
    }
    for name in call.args.keys().filter(|name| !signature.arguments.contains(&name.as_str())) {
        let problem = if UNWANTED.contains(&name.as_str()) { "must not be sent" } else { "is no argument" };
        workspace.violate(signature.name, format!("`{name}` {problem}"), None);
    }
    call.args.retain(|name, _| signature.arguments.contains(&name.as_str()));
    call
}

/// Refuses with `missing_scope` unless the token has one of these.
pub(crate) fn need(token: &Token, any_of: &[&str]) -> Result<(), Refusal> {
    if token.scopes.iter().any(|scope| any_of.contains(&scope.as_str())) {
        return Ok(());
    }
    Err(Refusal::new("missing_scope")
        .with("needed", json!(any_of.join(",")))
        .with("provided", json!(token.scopes.join(","))))
}

fn auth_test(workspace: &Workspace) -> serde_json::Map<String, Value> {
    body([
        ("url", json!(workspace_url(workspace))),
        ("team", json!(workspace.team)),
        ("user", json!("clearml_alerts")),
        ("team_id", json!(workspace.team_id)),
        ("user_id", json!(workspace.user_id)),
        ("bot_id", json!(workspace.bot_id)),
        ("is_enterprise_install", json!(false)),
    ])
}

/// The workspace's address in a browser.
pub(crate) fn workspace_url(workspace: &Workspace) -> String {
    format!("https://{}.slack.example.com/", workspace.team.to_ascii_lowercase().replace(' ', "-"))
}
