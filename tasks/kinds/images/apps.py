"""The Django app of image collections."""

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    name = "tasks.kinds.images"
    label = "images"
