"""The class of all tasks of the team's app."""

import os

from celery import Task


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
