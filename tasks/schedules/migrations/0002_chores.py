"""The house keeps itself from the first start on: roll_up and prune are scheduled once, and are the operator's then."""

from django.db import migrations

CHORES = (
    ("roll_up", "interval", {"every": 5, "period": "minutes"}, "skip"),  # it catches up by itself
    ("prune", "crontab", {"minute": "17", "hour": "3", "timezone": "UTC"}, "once"),
)


def schedule_chores(apps, schema_editor) -> None:
    """Leaves alone what is there: a chore that somebody has scheduled, and a name that somebody has given."""
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for kind, timing, columns, missed in CHORES:
        if tasks.filter(task=kind).exists() or tasks.filter(name=kind).exists():
            continue
        timings = apps.get_model("django_celery_beat", f"{timing.capitalize()}Schedule").objects
        row = timings.filter(**columns).order_by("pk").first() or timings.create(**columns)
        periodic = tasks.create(name=kind, task=kind, kwargs="{}", **{timing: row})
        apps.get_model("timetable", "Schedule").objects.create(periodic=periodic, missed=missed)


class Migration(migrations.Migration):
    dependencies = [("timetable", "0001_schedules"), ("django_celery_beat", "0019_alter_periodictasks_options")]

    operations = [migrations.RunPython(schedule_chores, migrations.RunPython.noop)]
