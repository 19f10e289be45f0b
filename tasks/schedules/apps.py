"""The app that owns schedules, their runs, and the beats that keep time."""

from django.apps import AppConfig


class TimetableConfig(AppConfig):
    name = "tasks.schedules"
    label = "timetable"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Timetable"
