"""Runs a script that talks to Slack as if Slack were at SLACK_API_URL: `launch.py script.py argument…`."""

import os
import runpy
import sys

import slack_sdk

make = slack_sdk.WebClient.__init__


def make_with_address(client, *arguments, **named):
    named.setdefault("base_url", os.environ["SLACK_API_URL"])
    make(client, *arguments, **named)


slack_sdk.WebClient.__init__ = make_with_address
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
