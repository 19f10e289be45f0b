"""One image: its hash, its thumbnail, and what it may cost; hostile ones are refused before a pixel is decoded."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageEnhance

from tasks.kinds.images.looking import BYTES, THUMBNAIL, Unfit, distance, look
from tasks.kinds.images.models import ALIKE
from tests.support.pictures import encoded, jpeg, picture
from tests.support.runs import MOST_MB, alone


def unfit(data: bytes) -> str:
    with pytest.raises(Unfit) as caught:
        look(data)
    assert caught.value.sentence.endswith(".")
    return caught.value.reason


CHANGED = {
    "smaller": lambda image: encoded(image.resize((90, 70))),
    "larger": lambda image: encoded(image.resize((1900, 1400))),
    "compressed": lambda image: encoded(image, quality=15),
    "progressive": lambda image: encoded(image, progressive=True),
    "lighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.15)),
    "grey": lambda image: encoded(image.convert("L")),
    "png": lambda image: encoded(image, "PNG"),
    "png with alpha": lambda image: encoded(image.convert("RGBA"), "PNG"),
    "palette": lambda image: encoded(image.quantize(200), "PNG"),
    "gif": lambda image: encoded(image.quantize(200), "GIF"),
    "webp": lambda image: encoded(image, "WEBP"),
    "cmyk": lambda image: encoded(image.convert("CMYK")),
    "16 bits": lambda image: encoded(image.convert("L").convert("I").point(lambda v: v * 256).convert("I;16"), "PNG"),
}


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGED)
def test_the_same_picture_in_another_form_has_nearly_the_same_hash(change):
    for seed in range(5):
        image = picture(seed, (640, 480))
        assert distance(look(encoded(image, quality=95)).hash, look(CHANGED[change](image)).hash) <= ALIKE


def test_different_pictures_have_different_hashes():
    hashes = [look(jpeg(seed)).hash for seed in range(40)]
    apart = [distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > ALIKE
    assert 26 < sum(apart) / len(apart) < 38


def test_a_hash_and_a_thumbnail_are_the_same_at_every_look():
    assert look(jpeg(1)) == look(jpeg(1))


def test_a_thumbnail_is_a_small_new_jpeg_without_metadata():
    exif = Image.Exif()
    exif[0x010E], exif[0x8825] = "a secret place", {1: "N", 2: (47.0, 22.0, 0.0)}
    data = encoded(picture(1, (1600, 1200)), exif=exif, icc_profile=b"profile" * 99, comment=b"a secret word")
    seen = look(data)
    assert (seen.format, seen.width, seen.height) == ("JPEG", 1600, 1200)
    with Image.open(io.BytesIO(seen.thumbnail)) as small:
        assert (small.format, max(small.size), small.mode) == ("JPEG", THUMBNAIL, "RGB")
        assert not small.getexif() and not {"icc_profile", "comment", "exif"} & set(small.info)
    assert b"secret" in data and b"secret" not in seen.thumbnail


def test_a_picture_that_says_it_lies_on_its_side_is_looked_at_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    image = picture(3, (640, 480))
    turned = look(encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95))
    assert distance(turned.hash, look(encoded(image, quality=95)).hash) <= ALIKE
    with Image.open(io.BytesIO(turned.thumbnail)) as small:
        assert small.width > small.height


def test_a_picture_that_lies_on_its_side_has_the_size_that_people_see():
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "WEBP"):
        seen = look(encoded(picture(3, (320, 240)), form, exif=exif))
        assert (seen.width, seen.height) == (240, 320)


def test_of_a_picture_with_others_behind_it_the_first_is_compared():
    """MPO, which phones write as .jpg; and pictures that move."""
    alone = look(jpeg(1, quality=95))
    behind = [picture(2), picture(3)]
    for form in ("MPO", "GIF", "WEBP", "PNG"):
        seen = look(encoded(picture(1), form, save_all=True, append_images=behind))
        assert distance(seen.hash, alone.hash) <= ALIKE, form
    assert look(encoded(picture(1), "MPO", save_all=True, append_images=behind)).format == "JPEG"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 10}])
def test_a_jpeg_without_the_mark_of_its_end_is_whole(options):
    whole = jpeg(1, **options)
    for missing in (1, 2):
        assert look(whole[:-missing]) == look(whole)
    for missing in (3, 10, 100, len(whole) // 2):
        assert unfit(whole[:-missing]) == "damaged"
    large = jpeg(1, (2_000, 1_500), **options)
    assert look(large[:-2]) == look(large)
    assert unfit(large[:-2_000]) == "damaged"


def colour(*levels):
    return Image.new({1: "L", 3: "RGB", 4: "RGBA"}[len(levels)], (200, 200), levels if len(levels) > 1 else levels[0])


@pytest.mark.parametrize(
    "image",
    [colour(255), colour(0), colour(255, 255, 255), colour(10, 120, 200), colour(9, 9, 9, 0), Image.new("1", (90, 60))],
)
def test_a_picture_of_nothing_is_like_no_other(image):
    assert unfit(encoded(image, "PNG")) == "flat"
    assert unfit(encoded(image.convert("RGB"), "JPEG")) == "flat"


def test_what_is_transparent_lies_on_grey_in_every_mode():
    expected = look(encoded(Image.composite(picture(1), Image.new("RGB", (320, 240), (128,) * 3), mask()), "PNG")).hash
    shapes = picture(1).convert("RGB")
    with_alpha = shapes.copy()
    with_alpha.putalpha(mask())
    magenta = Image.composite(shapes, Image.new("RGB", (320, 240), (255, 0, 255)), mask())
    indexed = magenta.quantize(256, method=Image.Quantize.MEDIANCUT)
    index = indexed.getpixel((0, 0))
    seen = {
        "RGBA": encoded(with_alpha, "PNG"),
        "RGB and one colour": encoded(magenta, "PNG", transparency=(255, 0, 255)),
        "palette": encoded(indexed, "PNG", transparency=index),
        "palette with alpha": encoded(with_alpha.quantize(256, method=Image.Quantize.FASTOCTREE), "PNG"),
        "gif": encoded(indexed, "GIF", transparency=index),
        "webp": encoded(with_alpha, "WEBP", lossless=True),
    }
    for name, data in seen.items():
        assert distance(look(data).hash, expected) <= 4, name


def mask() -> Image.Image:
    """Opaque but for a corner."""
    made = Image.new("L", (320, 240), 255)
    made.paste(0, (0, 0, 160, 120))
    return made


def test_an_error_of_ours_is_not_called_a_fault_of_the_file(monkeypatch):
    monkeypatch.setattr("tasks.kinds.images.looking.COSTS", {})
    with pytest.raises(KeyError):
        look(encoded(picture(1), "PNG"))


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that says it is so large, whatever it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def scans(count: int) -> bytes:
    """A progressive JPEG that goes over its picture again and again."""
    data = jpeg(1, (64, 64), progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + b"\xff\xd9"


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not-an-image"),
        (b"hello", "not-an-image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not-an-image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not-an-image"),
        (encoded(picture(1), "TIFF"), "not-an-image"),
        (encoded(picture(1), "BMP"), "not-an-image"),
        (jpeg(1)[:2000], "damaged"),
        (png(10, 10, b"x"), "damaged"),
        (png(6_000, 6_000), "too-many-pixels"),
        (png(40_000, 1), "too-many-pixels"),
        (png(20_000, 20_000), "too-many-pixels"),
        (png(2**31 - 1, 2**31 - 1), "too-many-pixels"),
        (lambda: encoded(Image.new("L", (6_000, 6_000)), progressive=True), "too-many-pixels"),
        (lambda: encoded(Image.new("L", (4_000, 4_000)), "WEBP"), "too-many-pixels"),
        (lambda: scans(100), "too-many-scans"),
        (bytes(BYTES + 1), "too-large"),
    ],
)  # fmt: skip
def test_what_is_refused_has_a_name(data, reason):
    assert unfit(data() if callable(data) else data) == reason


HOSTILE = {
    "png of 400 megapixels": lambda: png(20_000, 20_000, bytes(60_001) * 2_000),
    "png just allowed": lambda: encoded(Image.new("RGBA", (6_000, 4_990)), "PNG"),
    "palette just allowed": lambda: encoded(Image.new("P", (6_000, 4_990)), "PNG"),
    "progressive just allowed": lambda: encoded(Image.new("RGB", (5_000, 3_990)), progressive=True),
    "jpeg of 150 megapixels": lambda: encoded(Image.new("RGB", (15_000, 10_000))),
    "jpeg without its end": lambda: encoded(Image.new("RGB", (15_000, 10_000)))[:-2],
    "progressive without its end": lambda: encoded(Image.new("RGB", (5_000, 3_990)), progressive=True)[:-2],
    "webp just allowed": lambda: encoded(Image.new("RGBA", (3_000, 1_990)), "WEBP"),
    "gif just allowed": lambda: encoded(Image.new("P", (4_000, 3_740)), "GIF"),
    "gif of many frames": lambda: encoded(
        Image.new("P", (2_000, 2_000)), "GIF", save_all=True, append_images=[Image.new("P", (2_000, 2_000), 1)] * 30
    ),
}
MEASURED = """
import pathlib
from tasks.kinds.images.looking import Unfit, look
try:
    print("taken", look(pathlib.Path(sys.argv[1]).read_bytes()).width)
except Unfit as unfit:
    print(unfit.reason)
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("name", HOSTILE)
def test_no_image_takes_more_memory_than_allowed(name, tmp_path, record_property):
    (tmp_path / "image").write_bytes(HOSTILE[name]())
    said, peak = alone(MEASURED, str(tmp_path / "image"), django=True)
    record_property("peak_mb", peak)
    assert peak <= MOST_MB, f"{name}: {peak} MB ({said})"
    assert said == ["too-many-pixels"] if "400" in name else said[0].startswith(("taken", "too-many", "flat"))
