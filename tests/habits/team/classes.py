"""The class of the team's app, and of all its tasks."""

import os

from celery import Celery, Task


class Carrying(Celery):
    """An app that sends something of the caller with each call, as those for tenants do."""

    def send_task(self, name, args=None, kwargs=None, **options):
        if name == "habits_is_carried":
            options["headers"] = {"tenant": "acme", **(options.get("headers") or {})}
        return super().send_task(name, args=args, kwargs=kwargs, **options)


class Everywhere(Task):
    def apply_async(self, args=None, kwargs=None, **options):
        if self.name == "habits_wide":
            args = [args[0] + 1]
        return super().apply_async(args, kwargs, **options)

    def __call__(self, *args, **kwargs):
        if self.name == "habits_wide":
            with open(os.environ["HABITS_LOG"], "a") as file:
                file.write(f"everywhere {args} {kwargs}\n")
        return super().__call__(*args, **kwargs)
