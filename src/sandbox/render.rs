//! A Slack message as a person would see it.

use super::slack::Message;
use crate::domain::message::draw;

/// The message in lines of at most `columns` characters.
pub fn message(message: &Message, columns: usize) -> String {
    draw::message(&message.text, &message.blocks, columns)
}
