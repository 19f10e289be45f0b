"""The Django app of image collections."""

from django.apps import AppConfig

from tasks.web.features import Link


class ImagesConfig(AppConfig):
    name = "tasks.kinds.images"
    default_auto_field = "django.db.models.BigAutoField"  # whatever the settings of a team say
    label = "images"
    is_sample = True  # SIGNALBOX_SAMPLES=off leaves its pages and kinds out; its tables stay
    links = [Link("collections", "see_rows", "images", place=60, example=True)]
    pages = "tasks.kinds.images.urls"
    api = "tasks.kinds.images.api"
