//! ClearML's file server, as far as uploading and fetching whole files goes: `POST /` with a form whose fields are named
//! by the files' paths, `GET /<path>`. The real one listens on a port of its own; here it shares the API's.

use axum::body::Bytes;
use serde_json::json;

use super::auth;
use super::world::World;
use crate::sandbox::http::{Answer, Incoming};

/// The answer, where the request is one for the file server.
pub(crate) fn answer(world: &mut World, request: &Incoming) -> Option<Answer> {
    let path = request.uri.path().trim_start_matches('/');
    let is_upload = request.method == "POST" && path.is_empty();
    // A path that no file lies under is one that the API does not know.
    let is_download = request.method == "GET" && world.files.contains_key(path);
    if !is_upload && !is_download {
        return None;
    }
    if auth::authenticate(world, request.header("authorization")).is_err() {
        return Some(Answer::text(401, "Unauthorized"));
    }
    if is_download {
        let file = world.files.get(path).cloned();
        return Some(file.map_or_else(|| Answer::text(404, "Not Found"), of_file));
    }
    Some(match uploaded(request) {
        Some((path, contents)) => {
            world.files.insert(path.clone(), contents);
            Answer::json(200, &json!([path]))
        }
        None => Answer::text(400, "no file in the form"),
    })
}

fn of_file(contents: Bytes) -> Answer {
    let content_type = "application/octet-stream";
    Answer { status: 200, content_type, headers: Vec::new(), body: String::new(), file: Some(contents) }
}

/// The first file of a form: its field's name, and its contents.
fn uploaded(request: &Incoming) -> Option<(String, Bytes)> {
    let (_, boundary) = request.header("content-type")?.split_once("boundary=")?;
    let end = format!("\r\n--{}", boundary.trim_matches('"'));
    let head_end = request.body.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(request.body.get(..head_end)?).into_owned();
    let name = head.split("; name=\"").nth(1)?.split('"').next()?.trim_start_matches('/').to_owned();
    let start = head_end + 4;
    // From behind: files are large, and what ends one stands at the end.
    let length = request.body.get(start..)?.windows(end.len()).rposition(|window| window == end.as_bytes())?;
    Some((name, request.body.slice(start..start + length)))
}
