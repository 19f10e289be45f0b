"""What an effect leaves behind: nothing in this table keeps it from being written twice."""

from django.db import models


class Trace(models.Model):
    """One effect of one attempt. Two rows of one job are a doubled effect."""

    job = models.CharField(max_length=36, db_index=True)
    attempt = models.IntegerField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.job} #{self.attempt}"
