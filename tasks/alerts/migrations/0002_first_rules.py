"""Two rules that everybody wants: they can be changed, switched off or deleted like any other."""

from django.db import migrations


def make(apps, schema_editor):
    Rule = apps.get_model("alarms", "Rule")
    for watch in ("worker", "schedule"):
        Rule.objects.create(watch=watch)


class Migration(migrations.Migration):
    dependencies = [("alarms", "0001_alerts")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
