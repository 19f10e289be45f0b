from django.db import migrations, models

# What has failed or was cancelled before there were such rows is one ending, as far as the job row still says so.
BEFORE = """
INSERT INTO tasks_ending (job_id, state, at, kind, queue, queued_at, started_at)
SELECT id, state, finished_at, kind, queue, COALESCE(queued_at, created_at), started_at FROM tasks_job
WHERE state IN ('failed', 'cancelled') AND finished_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_failures")]

    operations = [
        migrations.CreateModel(
            name="Ending",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(max_length=9)),
                ("at", models.DateTimeField()),
                ("kind", models.CharField(max_length=200)),
                ("queue", models.CharField(max_length=100)),
                ("queued_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("job", models.ForeignKey(on_delete=models.deletion.CASCADE, related_name="endings", to="tasks.job")),
            ],
            options={"indexes": [models.Index("at", "state", name="ending_at")]},
        ),
        migrations.RunSQL(BEFORE, migrations.RunSQL.noop),
    ]
