"""Changes nothing in the database: when it was applied tells since when sessions are kept by digests of their keys."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("door", "0005_entries_by_target")]
    operations = []
