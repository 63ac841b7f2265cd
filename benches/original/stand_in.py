"""Makes the calls of ClearML's `slack_alerts.py`, on the building block that it stands on, where that file itself is not
at hand: a task of its own in ClearML, a query for failures, and for each of them its console, its project, one message."""

import argparse

from clearml import Task
from clearml.automation.monitor import Monitor
from slack_sdk import WebClient


class Failures(Monitor):
    def __init__(self, token, channel):
        super().__init__()
        self.slack = WebClient(token=token)
        self.channel = channel
        self.slack.api_test()

    def get_query_parameters(self):
        filters = dict(status=["failed"], order_by=["-last_update"], system_tags=["-archived", "-development"])
        return filters

    def process_task(self, task):
        console = [text for text in task.get_reported_console_output(number_of_reports=3) if text]
        text = "Experiment ID <{}|{}> *{}*\nProject: *{}*  -  Name: *{}*\n{}".format(
            task.get_output_log_web_page(),
            task.id,
            task.status,
            task.get_project_name(),
            task.name,
            "".join(f"```{part[-1024:]}```\n" for part in console),
        )
        print(f'Experiment id={task.id} {task.status}, raising alert on channel "{self.channel}"')
        self.slack.chat_postMessage(
            channel=self.channel,
            text=f"Experiment {task.id} {task.status}",
            blocks=[dict(type="section", text=dict(type="mrkdwn", text=text[:3000]))],
        )


parser = argparse.ArgumentParser()
parser.add_argument("--channel")
parser.add_argument("--slack_api")
parser.add_argument("--refresh_rate", type=float, default=10.0)
parser.add_argument("--local", nargs="?", const=True, default=False)
arguments = parser.parse_args()
Task.init(project_name="DevOps", task_name="Slack Alerts", task_type=Task.TaskTypes.monitor)
Failures(arguments.slack_api, arguments.channel).monitor(pool_period=arguments.refresh_rate)
