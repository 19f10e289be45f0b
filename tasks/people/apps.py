"""The app of users, roles and invitations, and of providers that sign people in."""

from django.apps import AppConfig

from tasks.web.features import Link


class PeopleConfig(AppConfig):
    name = "tasks.people"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "signalbox_people"  # the label must not clash with an app of a team
    verbose_name = "People"
    links = [Link("people", "people", place=95)]
    expired = {"invitations": "tasks.people.models.expired_invitations"}
    pages = "tasks.people.urls"
