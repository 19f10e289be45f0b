"""The addresses of the pages of collections."""

from django.urls import path, re_path

from tasks.kinds.images import views

UID = "(?P<uid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

urlpatterns = [
    path("collections/", views.CollectionList.as_view(), name="collections"),
    path("collections/new/", views.CollectionCreate.as_view(), name="collection-new"),
    path("collections/<uuid:uid>/", views.CollectionDetail.as_view(), name="collection"),
    path("collections/<uuid:uid>/rename/", views.CollectionRename.as_view(), name="collection-rename"),
    path("collections/<uuid:uid>/delete/", views.CollectionDelete.as_view(), name="collection-delete"),
    path("collections/<uuid:uid>/match/", views.Match.as_view(), name="collection-match"),
    path("collections/<uuid:uid>/stop/", views.Stop.as_view(), name="collection-stop"),
    re_path(rf"^collections/{UID}/(?P<sha256>[0-9a-f]{{64}})\.jpg$", views.Thumbnail.as_view(), name="thumbnail"),
]
