"""The app that owns schedules, their runs, and the beats that keep time."""

from django.apps import AppConfig


class TimetableConfig(AppConfig):
    name = "tasks.timetable"
    verbose_name = "Timetable"
