"""A team's package, in the layout that Celery's documentation teaches: it imports the team's own Celery app."""

from tests.habits.team.celery import app as celery_app

__all__ = ("celery_app",)
