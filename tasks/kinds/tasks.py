"""The module that Celery and Signalbox look for in each app: it brings the kinds of this package."""

from tasks.kinds import basic, chores, mapped, sites, upkeep  # noqa: F401 - each registers its kinds
