"""The building block of ClearML's own alerts example, polling the simulated server as that example does."""

import time

import shared
from clearml.automation.monitor import Monitor


class Failures(Monitor):
    def process_task(self, task):
        console = task.get_reported_console_output(number_of_reports=3)
        print(f"seen: {task.name} in {task.get_project_name()}, {task.status}, {len(console)} reports")


monitor = Failures()
monitor.set_projects(project_names_re=["^vision/"])
monitor.monitor_step()
task = shared.moved_from_outside("watched by both")
task.get_logger().report_text("the last words")
task.flush(wait_for_uploads=True)
time.sleep(0.01)
task.mark_failed(status_reason="as expected")
monitor.monitor_step()
time.sleep(0.01)
monitor.monitor_step()
