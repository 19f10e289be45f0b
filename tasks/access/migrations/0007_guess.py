import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("door", "0006_digests")]
    operations = [
        migrations.CreateModel(
            name="Guess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=45)),
                ("name", models.CharField(max_length=150)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"indexes": [models.Index(models.F("place"), models.F("name"), name="guess_place")]},
        ),
    ]
