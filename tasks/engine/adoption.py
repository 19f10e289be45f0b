"""What became of SIGNALBOX_ADOPT when this process started, for its log and its checks. tasks.worker.adopt fills it."""

adopted: list[str] = []  # names of tasks that are jobs now
wrong: list[str] = []  # sentences: patterns that match nothing, tasks that cannot be jobs
left_alone: list[str] = []  # names of tasks of other Celery apps that are no jobs
