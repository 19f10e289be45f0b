"""The addresses of the pages of channels."""

from django.urls import path

from tasks.channels import views

urlpatterns = [
    path("channels/", views.ChannelList.as_view(), name="channels"),
    path("channels/new/", views.ChannelCreate.as_view(), name="channel-new"),
    path("channels/<uuid:uid>/", views.ChannelDetail.as_view(), name="channel"),
    path("channels/<uuid:uid>/change/", views.ChannelUpdate.as_view(), name="channel-change"),
    path("channels/<uuid:uid>/delete/", views.ChannelDelete.as_view(), name="channel-delete"),
    path("channels/<uuid:uid>/test/", views.ChannelTest.as_view(), name="channel-test"),
]
