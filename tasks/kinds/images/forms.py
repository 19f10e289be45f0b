"""What people say of a collection: its name, and an archive or a folder."""

import os
from typing import Any

from django import forms
from django.conf import settings

from tasks.kinds.asking import Refused
from tasks.kinds.images import archives, folders, storing
from tasks.kinds.images.models import Collection


class CollectionForm(forms.ModelForm):
    """A new collection. What is wrong with an archive is said here, as far as a look at its list can tell."""

    name = forms.CharField(
        label="Name", max_length=200, widget=forms.TextInput({"autocomplete": "off", "autofocus": True})
    )
    archive = forms.FileField(
        label="Archive",
        required=False,
        max_length=255,
        help_text="A zip, or a tar that is plain or compressed with gzip or bzip2. Reference images are in a folder "
        "named references inside it.",
    )
    folder = forms.CharField(
        label="Folder",
        max_length=1000,
        required=False,
        help_text="Instead of an archive: the whole path of a folder on the server, below an allowed root.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    archive.may_be_empty = folder.may_be_empty = True

    class Meta:
        model = Collection
        fields = ("name", "archive", "folder")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not settings.SIGNALBOX_IMAGE_ROOTS:
            del self.fields["folder"]

    def clean_archive(self) -> Any:
        upload = self.cleaned_data.get("archive")
        most = int(settings.SIGNALBOX_UPLOAD_MB)
        if upload and upload.size > most * 1_000_000:
            raise forms.ValidationError(f"The archive has more than {most:,} MB.")
        if upload:
            try:
                archives.glance(upload.file)
            except Refused as refused:
                raise forms.ValidationError(refused.sentence) from None
            finally:
                upload.file.seek(0, os.SEEK_SET)
        return upload

    def clean_folder(self) -> str:
        folder = self.cleaned_data.get("folder", "").strip()
        if not folder:
            return ""
        try:
            return str(folders.allowed(folder))
        except Refused as refused:
            raise forms.ValidationError(refused.sentence) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        given = [name for name in ("archive", "folder") if cleaned.get(name)]
        if not self.errors and len(given) != 1:
            either = "an archive or a folder" if "folder" in self.fields else "an archive"
            self.add_error("archive", f"Give {either}." if not given else "Give an archive or a folder, not both.")
        return cleaned

    def save(self, commit: bool = True) -> Collection:
        """The archive is whole on the disk before the row says that it is there."""
        collection = super().save(commit=False)
        if upload := self.cleaned_data.get("archive"):
            collection.archive_name = os.path.basename(upload.name)[:255]
            storing.keep_archive(collection, upload.chunks())
        collection.save()
        return collection


class RenameForm(forms.ModelForm):
    class Meta:
        model = Collection
        fields = ("name",)
