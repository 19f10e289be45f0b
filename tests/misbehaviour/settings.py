"""The product's settings with a second alias for the same database, as a team's own settings may have one."""

from project.settings import *  # noqa: F403
from project.settings import DATABASES

DATABASES["second"] = {**DATABASES["default"], "TEST": {"MIRROR": "default"}}
