"""One image, from bytes to what is kept of it: its size, a perceptual hash and a small picture without metadata.

Everything is judged by its header before it is decoded: bytes, format, pixels, and the memory that decoding would take.
Knows no models and no files.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import mul

from PIL import Image, ImageOps

BYTES = 30_000_000  # of one image file
DECODED = 120_000_000  # bytes that decoding may take, by the table below
SIDE = 30_000  # pixels along one side
SCANS = 64  # of a progressive JPEG: each is one more pass over all of it
THUMBNAIL = 320  # pixels along the longer side
NEAR = 1_536  # a larger image is first made so small by the cheapest means
# Bytes for each pixel while a format is decoded, the library's own copies included.
COSTS = {"PNG": 4, "GIF": 8, "WEBP": 20}
FORMATS = ("JPEG", *COSTS)
CONTRAST = 4  # of 256 levels of grey; with less, a hash would be made of rounding errors
ORIENTATION = 0x0112  # the name of that in EXIF; 1 is upright
SCAN, END = b"\xff\xda", b"\xff\xd9"  # marks within a JPEG
FILLER = bytes(254 - n % 251 for n in range(512))  # any bytes but 0xFF, which would be a mark
EDGE, KEPT = 32, 8  # the hash: an image of 32 × 32, and the 8 × 8 lowest frequencies of it


class Unfit(Exception):
    """Not an image that is taken; ``reason`` names why, the text is one sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason, sentence)
        self.reason, self.sentence = reason, sentence

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class ImageLook:
    """What is kept of an image. ``hash`` is 16 hexadecimal digits, ``thumbnail`` a JPEG."""

    format: str
    width: int
    height: int
    hash: str
    thumbnail: bytes


def look(data: bytes) -> ImageLook:
    """Decode one image, within bounds. Unfit if it is none, is damaged, or would cost too much.

    Any other exception is an error of ours and says nothing about the file.
    """
    if len(data) > BYTES:
        raise Unfit("too-large", f"The file has more than {BYTES:,} bytes.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limits are lower than the library's
        with opened(data) as image:
            format, (width, height) = format_of(image), image.size
            check_cost(image, format, data)
            if format == "JPEG" and data.rfind(END) < data.rfind(SCAN):
                small = completed(data)
            else:
                small = decoded(image, format)
            turned = orientation(image)
    if turned >= 5:  # it lies on its side
        width, height = height, width
    small = flatten_on_grey(upright(small, turned))
    return ImageLook(format, width, height, perceptual_hash(small), thumbnail(small))


@contextmanager
def decoding() -> Iterator[None]:
    """Around what the decoders do: they raise whatever they please at what is hostile."""
    try:
        yield
    except Image.DecompressionBombError:
        raise Unfit("too-many-pixels", "The image has too many pixels.") from None
    except MemoryError:
        raise Unfit("too-many-pixels", "The image does not fit into memory.") from None
    except Image.UnidentifiedImageError:
        raise Unfit("not-an-image", "The file is no image of a known format.") from None
    except Exception:
        raise Unfit("damaged", "The file is damaged.") from None


def opened(data: bytes) -> Image.Image:
    with decoding():
        return Image.open(io.BytesIO(data), formats=FORMATS)


def format_of(image: Image.Image) -> str:
    """What cameras write as MPO is a JPEG with further pictures behind it; the first one is looked at."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def check_cost(image: Image.Image, format: str, data: bytes) -> None:
    """Refuses an image before a pixel is decoded."""
    width, height = image.size
    if max(width, height) > SIDE:
        raise Unfit("too-many-pixels", f"The image is {width:,} × {height:,}: at most {SIDE:,} on a side are taken.")
    cost = cost_of(image, format, data)
    if cost > DECODED:
        raise Unfit("too-many-pixels", f"The image is {width:,} × {height:,}: decoding it would take {cost:,} bytes.")


def decoded(image: Image.Image, format: str) -> Image.Image:
    """All pixels, in the mode that the file has, and not much larger than the thumbnail."""
    width, height = image.size
    with decoding():
        if format == "JPEG":
            wanted = THUMBNAIL / max(width, height)
            image.draft("RGB", (max(1, int(width * wanted)), max(1, int(height * wanted))))  # decoded at a fraction
        image.load()
    if max(image.size) <= NEAR:
        return image.copy()
    scale = NEAR / max(image.size)
    return image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.NEAREST)


def completed(data: bytes) -> Image.Image:
    """A JPEG whose end is missing: Unfit, unless only the mark of the end is.

    The decoder fills up what is missing, and ignores what is too much. So if nothing is missing, then bytes put behind
    the data change nothing; if a part of the picture is, they become that part.
    """
    data = data.removesuffix(END[:1])
    plain, filled = (decoded(opened(data + behind + END), "JPEG") for behind in (b"", FILLER))
    if plain.tobytes() != filled.tobytes():
        raise Unfit("damaged", "The file is damaged: its end is missing.")
    return plain


def cost_of(image: Image.Image, format: str, data: bytes) -> int:
    """Bytes that decoding would take at most."""
    pixels = math.prod(image.size)
    if format != "JPEG":
        return pixels * COSTS[format]
    if "progressive" in image.info:  # the decoder keeps all coefficients until the last scan has come
        if data.count(SCAN) > SCANS:
            raise Unfit("too-many-scans", f"The image has more than {SCANS} scans.")
        return pixels * 6
    return pixels // 2


def orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken note about the image is no reason not to look at it
        return 1


def upright(image: Image.Image, turned: int) -> Image.Image:
    """Without what the file said of it, but for the transparency."""
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    image.getexif().update({ORIENTATION: turned})
    return ImageOps.exif_transpose(image)


def flatten_on_grey(image: Image.Image) -> Image.Image:
    """In RGB; what is transparent lies on grey."""
    if image.mode.startswith("I"):  # 16 bits for each pixel
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.has_transparency_data:
        whole = image.convert("RGBA")
        ground = Image.new("RGBA", whole.size, (128, 128, 128, 255))
        return Image.alpha_composite(ground, whole).convert("RGB")
    return image.convert("RGB")


def thumbnail(image: Image.Image) -> bytes:
    """A new picture: nothing that the file said besides its pixels is in it."""
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
    bare = Image.new("RGB", small.size)
    bare.paste(small)
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=80)
    return out.getvalue()


# --- the hash --------------------------------------------------------------------------------------------------


def perceptual_hash(image: Image.Image) -> str:
    """64 bits that stay nearly the same when an image is scaled, compressed or made lighter (the DCT hash, pHash).

    Unfit if nothing is in it: every empty page would look like every other.
    The idea: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).
    """
    grey = image.convert("L").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    darkest, brightest = grey.getextrema()
    if brightest - darkest < CONTRAST:
        raise Unfit("flat", "The image has one brightness all over: there is nothing to compare.")
    values, waves = grey.tobytes(), cosines()
    rows = ([sum(map(mul, wave, values[y : y + EDGE])) for wave in waves] for y in range(0, EDGE * EDGE, EDGE))
    columns = list(zip(*rows, strict=True))
    low = [round(sum(map(mul, wave, column)), 3) for wave in waves for column in columns]
    middle = sorted(low[1:])[len(low) // 2 - 1]  # without the first, which is the brightness of it all
    bits = 0
    for value in low:
        bits = bits << 1 | (value > middle)
    return f"{bits:016x}"


@cache
def cosines() -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(math.cos(math.pi * u * (2 * x + 1) / (2 * EDGE)) for x in range(EDGE)) for u in range(KEPT))


def distance(one: str, other: str) -> int:
    """How many of the 64 bits differ: 0 the same, about 32 nothing in common."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
