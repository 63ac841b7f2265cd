"""One task for each way to end one from outside."""

import shared
from clearml import Task

failed = shared.moved_from_outside("marked as failed")
failed.mark_failed(status_reason="validation loss is NaN", status_message="see the notebook")

stopped = shared.moved_from_outside("marked as stopped")
stopped.mark_stopped(status_message="not needed any more")

# An agent: it takes the task from a queue, which ends its being a manual one, and reports its failure twice.
agents = Task.create(project_name=shared.PROJECT, task_name="run by an agent", task_type="training")
Task.enqueue(agents, queue_name="default")
agents.mark_started()
agents.mark_failed(status_reason="my own reason")
agents.mark_failed(status_reason="worker execution exit code 1", force=True)
