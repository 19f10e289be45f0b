"""The app that owns channels, and what was sent to them."""

from django.apps import AppConfig

from tasks.web.features import Link, Topic


class ChannelsConfig(AppConfig):
    name = "tasks.channels"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "signalbox_channels"  # the label must not clash with an app of a team
    verbose_name = "Channels"
    links = [Link("channels", "channels", place=45)]
    topics = {"channels": Topic("channels", "tasks.channels.models.read_mark")}
    expired = {"notifications": "tasks.channels.models.expired_notifications"}
    pages = "tasks.channels.urls"
    api = "tasks.channels.api"
