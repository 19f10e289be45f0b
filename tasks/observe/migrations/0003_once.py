from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("signalbox_observe", "0002_bars"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="once",
            field=models.CharField(max_length=255, null=True),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(fields=("by", "once"), name="order_once"),
        ),
    ]
