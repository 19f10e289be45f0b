"""The Django app of image collections."""

from django.apps import AppConfig

from tasks.web.features import Link


class ImagesConfig(AppConfig):
    name = "tasks.kinds.images"
    label = "images"
    links = [Link("collections", "see_rows", "images", place=60)]
    pages = "tasks.kinds.images.urls"
    api = "tasks.kinds.images.api"
