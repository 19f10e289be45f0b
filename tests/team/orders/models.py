from django.db import models


class Order(models.Model):
    number = models.IntegerField(unique=True)
    carrier = models.CharField(max_length=20, default="")

    def __str__(self):
        return str(self.number)
