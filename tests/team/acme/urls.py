from django.contrib import admin
from django.urls import path
from orders import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("order/<int:number>/", views.order),
    path("stock/", views.stock),
]
