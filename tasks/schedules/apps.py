"""The app that owns schedules, their runs, and the beats that keep time."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class TimetableConfig(AppConfig):
    name = "tasks.schedules"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "timetable"  # names tables and migrations of installations that exist, so it stays
    verbose_name = "Timetable"
    links = [Link("schedules", "see_schedules", first=True, place=14)]
    topics = {"schedules": Topic("see_schedules", "tasks.schedules.models.read_mark")}
    pages = "tasks.schedules.urls"
    api = "tasks.schedules.api"
