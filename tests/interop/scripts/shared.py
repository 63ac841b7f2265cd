"""What our scripts share."""

import faulthandler

# A script that hangs says where, and ends.
faulthandler.dump_traceback_later(120, exit=True)

PROJECT = "vision/resnet"


def manual_run(name):
    """A ClearML task as `python train.py` makes one, without what would only cost time here."""
    from clearml import Task

    return Task.init(
        project_name=PROJECT,
        task_name=name,
        reuse_last_task_id=False,
        auto_connect_frameworks={"detect_repository": False},
        auto_resource_monitoring=False,
    )


def moved_from_outside(name):
    """A ClearML task that no process of ours runs: the web application and agents move such ones."""
    from clearml import Task

    task = Task.create(project_name=PROJECT, task_name=name, task_type="training")
    task.mark_started()
    return task
