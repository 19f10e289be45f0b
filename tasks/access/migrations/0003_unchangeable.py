"""The database itself refuses to change an audit entry, whoever asks."""

from django.db import migrations

SAID = "an audit entry is never changed"
MAKE = {
    "sqlite": [
        f"CREATE TRIGGER door_entry_unchangeable BEFORE UPDATE ON door_entry BEGIN SELECT RAISE(ABORT, '{SAID}'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION door_entry_unchangeable() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{SAID}'; END $$",
        "CREATE TRIGGER door_entry_unchangeable BEFORE UPDATE ON door_entry"
        " FOR EACH ROW EXECUTE FUNCTION door_entry_unchangeable()",
    ],
}
DROP = {
    "sqlite": ["DROP TRIGGER door_entry_unchangeable"],
    "postgresql": [
        "DROP TRIGGER door_entry_unchangeable ON door_entry",
        "DROP FUNCTION door_entry_unchangeable()",
    ],
}


def run(statements):
    def execute(apps, schema_editor):
        for statement in statements[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return execute


class Migration(migrations.Migration):
    dependencies = [("door", "0002_roles")]
    operations = [migrations.RunPython(run(MAKE), run(DROP))]
