"""The groups that are the roles. Going back leaves them, and the people in them, alone."""

from django.db import migrations


def make_groups(apps, schema_editor):
    for name in ("viewer", "operator", "admin"):
        apps.get_model("auth", "Group").objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("door", "0001_door"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
