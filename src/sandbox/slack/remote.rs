//! The sandbox's own paths on the simulated Slack. They are listed in the documentation of [`crate::sandbox`].

use serde_json::{Value, json};

use super::Shared;
use super::control::{add_channel, add_person, add_webhook};
use super::state::{Channel, Token};
use crate::sandbox::http::{Answer, Incoming};
use crate::sandbox::{fault_commands, unknown_command};

pub(crate) fn answer(shared: &Shared, request: &Incoming) -> Answer {
    let command = request.uri.path().trim_start_matches("/sandbox/");
    if let Some(answer) = fault_commands(command, request, &shared.faults, &shared.requests) {
        return answer;
    }
    let mut workspace = shared.workspace();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let done = match (request.method.as_str(), command) {
        ("GET", "messages") => json!({"messages": workspace.messages}),
        ("GET", "plain") => {
            let plain: Vec<String> =
                workspace.messages.iter().map(|message| crate::sandbox::render::message(message, 80)).collect();
            return Answer::text(200, &plain.join("\n\n"));
        }
        ("DELETE", "messages") => {
            workspace.messages.clear();
            json!({})
        }
        ("GET", "violations") => json!({"violations": workspace.violations}),
        ("GET", "mentions") => json!({"mentions": workspace.mentions}),
        ("GET", "channels") => json!({"channels": workspace.channels}),
        ("POST", "channels") => {
            let mut channel = Channel::public(&text("name").unwrap_or_default());
            channel.private = flag("private");
            channel.archived = flag("archived");
            channel.joined = !flag("not_joined");
            channel.id = text("id").unwrap_or_default();
            json!({"id": add_channel(&mut workspace, channel)})
        }
        ("POST", "people") => {
            let (name, email) = (text("name").unwrap_or_default(), text("email").unwrap_or_default());
            json!({"id": add_person(&mut workspace, &name, &email)})
        }
        ("POST", "webhooks") => json!({"url": add_webhook(&mut workspace, &text("channel").unwrap_or_default())}),
        ("POST", "revoke") => {
            let error = text("error").unwrap_or_else(|| "token_revoked".to_owned());
            workspace.tokens.iter_mut().for_each(|token| token.refused = Some(error.clone()));
            json!({})
        }
        ("POST", "token") => {
            let scopes = workspace.tokens.last().map(|token| token.scopes.clone()).unwrap_or_default();
            let token = text("token").unwrap_or_default();
            workspace.tokens.push(Token { secret: token, scopes, refused: None });
            json!({})
        }
        _ => return unknown_command(),
    };
    Answer::json(200, &done)
}
