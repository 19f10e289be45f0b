"""The peer: plain Celery with plain Channels under the same faults. `python -m tests.faults.plain`."""
