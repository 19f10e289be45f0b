"""What people import who write jobs: the decorator, and what the code of a job may use.

from tasks.base import job
"""

from tasks.engine.effects import once
from tasks.engine.report import Cancelled, Report, current_report
from tasks.fetch.fetcher import Fetcher
from tasks.params.signature import File, Ref, Secret, Url
from tasks.worker.task import JobTask, job

__all__ = ["Cancelled", "Fetcher", "File", "JobTask", "Ref", "Report", "Secret", "Url", "current_report", "job", "once"]
