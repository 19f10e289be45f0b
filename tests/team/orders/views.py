from django.http import JsonResponse

from orders.models import Order
from orders.tasks import count_stock, ship


def order(request, number):
    Order.objects.get_or_create(number=number)
    return JsonResponse({"id": ship.delay(number).id})


def stock(request):
    return JsonResponse({"id": count_stock.delay().id})
