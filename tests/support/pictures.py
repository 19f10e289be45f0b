"""Images and archives of the tests' own making: real files, the same at every run."""

import io
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw


def picture(seed: int, size: tuple[int, int] = (320, 240), mode: str = "RGB") -> Image.Image:
    """A scene that is like no other seed's: a few large shapes, as photographs have."""
    rnd = random.Random(seed)
    image = Image.new("RGB", (640, 480), tuple(rnd.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = rnd.randrange(-100, 600), rnd.randrange(-100, 440)
        box = (x, y, x + rnd.randrange(60, 400), y + rnd.randrange(60, 400))
        (draw.ellipse if rnd.random() < 0.5 else draw.rectangle)(box, tuple(rnd.randrange(256) for _ in range(3)))
    return image.resize(size, Image.Resampling.LANCZOS).convert(mode)


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def jpeg(seed: int, size: tuple[int, int] = (320, 240), **options: Any) -> bytes:
    return encoded(picture(seed, size), **options)


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data, compression)
    return out.getvalue()


def tarred(files: dict[str, bytes], compression: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def collection_of(images: int, references: int = 3) -> dict[str, bytes]:
    """References, and images of which every second one is a smaller copy of a reference."""
    files = {f"references/{n}.jpg": jpeg(n) for n in range(references)}
    for n in range(images):
        seed = n // 2 % references if n % 2 == 0 else 1000 + n
        files[f"photos/{n:04}.jpg"] = jpeg(seed, (200 + n, 150 + n * 3 // 4), quality=70)
    return files
