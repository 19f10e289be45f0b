"""The product's settings with a second alias for the same database, as a team's own settings may have one."""

from project.database import WORKER_BUSY_S
from project.settings import *  # noqa: F403
from project.settings import DATABASES

OPTIONS = DATABASES["default"]["OPTIONS"]
if "init_command" in OPTIONS:  # SQLite: what a job locked for ever is waited for in vain, so a short while is enough
    OPTIONS["timeout"] = 2
    OPTIONS["init_command"] = OPTIONS["init_command"].replace(str(WORKER_BUSY_S * 1000), "2000")
DATABASES["second"] = {**DATABASES["default"], "TEST": {"MIRROR": "default"}}
