"""Slack's own client: who am I, which channels are there, post, read it again, change it, and what errors look like."""

import os

import shared  # noqa: F401  (for its time limit)
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

client = WebClient(
    token=os.environ["SLACK_API_TOKEN"],
    base_url=os.environ["SLACK_API_URL"],
    retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=1)],
)


def error_of(call, **arguments):
    try:
        call(**arguments)
    except SlackApiError as error:
        return error.response["error"]
    return None


assert client.api_test()["ok"]
me = client.auth_test()
assert me["team"] == "Sandbox" and me["bot_id"], me.data
assert "chat:write" in me.headers["x-oauth-scopes"], me.headers

pages, channels = 0, {}
for page in client.conversations_list(limit=2, exclude_archived=True, types="public_channel,private_channel"):
    pages += 1
    channels.update({channel["name"]: channel["id"] for channel in page["channels"]})
assert pages == 2 and set(channels) == {"general", "ml-alerts", "random"}, (pages, channels)
channel = channels["ml-alerts"]
assert client.conversations_info(channel=channel)["channel"]["name"] == "ml-alerts"
assert client.conversations_join(channel=channel)["ok"]

posted = client.chat_postMessage(
    channel=channel,
    text="Task failed: from Slack's own client",
    blocks=[
        {"type": "header", "text": {"type": "plain_text", "text": "Task failed: from Slack's own client"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "with *emphasis*", "verbatim": True}},
    ],
    metadata={"event_type": "interop", "event_payload": {"key": "k1"}},
    unfurl_links=False,
    unfurl_media=False,
)
assert posted["channel"] == channel, posted.data
history = client.conversations_history(
    channel=channel, oldest=posted["ts"], inclusive=True, limit=10, include_all_metadata=True
)
[found] = history["messages"]
assert found["ts"] == posted["ts"] and found["metadata"]["event_payload"] == {"key": "k1"}, found
assert posted["ts"].replace(".", "") in client.chat_getPermalink(channel=channel, message_ts=posted["ts"])["permalink"]
assert client.chat_update(channel=channel, ts=posted["ts"], text="changed", blocks=[])["ok"]

assert error_of(client.chat_postMessage, channel="nowhere", text="lost") == "channel_not_found"
assert error_of(client.chat_postMessage, channel=channel, unfurl_links=False, unfurl_media=False) == "no_text"
assert error_of(WebClient(token="xoxb-wrong", base_url=client.base_url).auth_test) == "invalid_auth"
print("all is as Slack's client expects")
