from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class RebuildOnce(migrations.SeparateDatabaseAndState):
    """Operations of which SQLite makes added columns, and one rebuilt table for all that is left of them.

    Django's own operations would copy the whole table for each column, index and constraint.
    """

    def __init__(self, operations):
        super().__init__(operations, operations)

    def deconstruct(self):
        return type(self).__name__, [self.state_operations], {}

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        for operation in self.state_operations:
            if isinstance(operation, migrations.AddField):
                model = to_state.apps.get_model(app_label, operation.model_name)
                field = model._meta.get_field(operation.name)
                BaseDatabaseSchemaEditor.add_field(schema_editor, model, field)
        schema_editor._remake_table(to_state.apps.get_model(app_label, "job"))


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0005_endings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        RebuildOnce(
            [
                migrations.RemoveConstraint(
                    model_name="job",
                    name="job_state",
                ),
                migrations.AddField(
                    model_name="attempt",
                    name="release",
                    field=models.CharField(db_default="", default="", max_length=100),
                ),
                migrations.AddField(
                    model_name="job",
                    name="app",
                    field=models.CharField(db_default="", default="", max_length=32),
                ),
                migrations.AddField(
                    model_name="job",
                    name="basis",
                    field=models.CharField(db_default="", default="", max_length=20),
                ),
                migrations.AddField(
                    model_name="job",
                    name="doubt_at",
                    field=models.DateTimeField(null=True),
                ),
                migrations.AddField(
                    model_name="job",
                    name="expires_at",
                    field=models.DateTimeField(null=True),
                ),
                migrations.AddField(
                    model_name="job",
                    name="headers",
                    field=models.JSONField(null=True),
                ),
                migrations.AddField(
                    model_name="job",
                    name="release",
                    field=models.CharField(db_default="", default="", max_length=100),
                ),
                migrations.AddField(
                    model_name="job",
                    name="root",
                    field=models.UUIDField(null=True),
                ),
                migrations.AddField(
                    model_name="job",
                    name="task_id",
                    field=models.CharField(db_default="", default="", max_length=255),
                ),
                migrations.AddField(
                    model_name="job",
                    name="title",
                    field=models.CharField(db_default="", default="", max_length=200),
                ),
                migrations.AddField(
                    model_name="worker",
                    name="kinds",
                    field=models.JSONField(null=True),
                ),
                migrations.AddField(
                    model_name="worker",
                    name="release",
                    field=models.CharField(db_default="", default="", max_length=100),
                ),
                migrations.AlterField(
                    model_name="job",
                    name="state",
                    field=models.CharField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("retrying", "Retrying"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("unknown", "Unknown"),
                        ],
                        max_length=9,
                    ),
                ),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        models.F("queue"),
                        models.F("app"),
                        models.OrderBy(models.F("priority"), descending=True),
                        models.F("id"),
                        models.F("kind"),
                        condition=models.Q(("serial_key", ""), ("state", "queued")),
                        name="job_next",
                    ),
                ),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(models.F("root"), condition=models.Q(("root__isnull", False)), name="job_root"),
                ),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(models.F("id"), condition=models.Q(("app", "")), name="job_own"),
                ),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        models.F("app"),
                        models.F("id"),
                        condition=models.Q(("app", ""), _negated=True),
                        name="job_watched",
                    ),
                ),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        models.F("expires_at"),
                        condition=models.Q(("expires_at__isnull", False), ("finished_at__isnull", True)),
                        name="job_expires",
                    ),
                ),
                # With the application in them, so that watched tasks stand beside our jobs and not in their way.
                migrations.RemoveIndex(model_name="job", name="job_queued"),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        "queue",
                        "app",
                        models.OrderBy(models.F("priority"), descending=True),
                        "id",
                        name="job_queued",
                        condition=models.Q(("state", "queued")),
                    ),
                ),
                migrations.RemoveIndex(model_name="job", name="job_bad"),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        fields=["state", "id", "kind", "error_key", "finished_at", "app"],
                        name="job_bad",
                        condition=models.Q(("state__in", ["failed", "cancelled"])),
                    ),
                ),
                migrations.RemoveIndex(model_name="job", name="job_finished"),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        models.F("app"),
                        models.F("finished_at"),
                        name="job_finished",
                        condition=models.Q(("finished_at__isnull", False)),
                    ),
                ),
                migrations.RemoveIndex(model_name="job", name="job_kind"),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(models.F("kind"), models.F("id"), models.F("app"), name="job_kind"),
                ),
                migrations.RemoveIndex(model_name="job", name="job_owner"),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(models.F("owner"), models.F("id"), models.F("app"), name="job_owner"),
                ),
                migrations.AddConstraint(
                    model_name="job",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "scheduled",
                                    "queued",
                                    "running",
                                    "retrying",
                                    "succeeded",
                                    "failed",
                                    "cancelled",
                                    "unknown",
                                ],
                            ),
                            models.Q(
                                models.Q(("state", "unknown"), _negated=True),
                                models.Q(("app", ""), _negated=True),
                                _connector="OR",
                            ),
                        ),
                        name="job_state",
                    ),
                ),
            ]
        )
    ]
