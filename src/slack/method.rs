//! The methods of Slack's Web API that this program calls. Nothing here sends anything.

use std::fmt;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Who the token belongs to.
    AuthTest,
    /// Post a message.
    PostMessage,
    /// Change a message.
    UpdateMessage,
    /// All channels, a page at a time.
    ListChannels,
    /// One channel.
    ChannelInfo,
    /// Enter a public channel.
    JoinChannel,
    /// The messages of a channel.
    History,
    /// The messages of a thread.
    Replies,
    /// A message's address on the web.
    Permalink,
    /// The person with an e-mail address.
    LookUpByEmail,
    /// The direct conversation with a person.
    OpenConversation,
}

impl Method {
    /// Every method, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::AuthTest,
        Self::PostMessage,
        Self::UpdateMessage,
        Self::ListChannels,
        Self::ChannelInfo,
        Self::JoinChannel,
        Self::History,
        Self::Replies,
        Self::Permalink,
        Self::LookUpByEmail,
        Self::OpenConversation,
    ];

    /// Slack's name for it, which is also the last part of its address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthTest => "auth.test",
            Self::PostMessage => "chat.postMessage",
            Self::UpdateMessage => "chat.update",
            Self::ListChannels => "conversations.list",
            Self::ChannelInfo => "conversations.info",
            Self::JoinChannel => "conversations.join",
            Self::History => "conversations.history",
            Self::Replies => "conversations.replies",
            Self::Permalink => "chat.getPermalink",
            Self::LookUpByEmail => "users.lookupByEmail",
            Self::OpenConversation => "conversations.open",
        }
    }

    /// The inverse of [`Method::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        assert_eq!(Method::parse("chat.delete"), None);
    }
}
