from celery import shared_task
from django.conf import settings

from orders.models import Order


@shared_task
def ship(number):
    Order.objects.filter(number=number).update(carrier=settings.ACME_CARRIER)
    return f"order {number} by {settings.ACME_CARRIER}"


@shared_task
def count_stock():
    return Order.objects.count()
