from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("door", "0004_sessions")]
    operations = [
        migrations.AddIndex("entry", models.Index(models.F("target"), models.F("id"), name="entry_target")),
        migrations.AddIndex(
            "entry", models.Index(models.F("id"), condition=models.Q(outcome="refused"), name="entry_refused")
        ),
    ]
