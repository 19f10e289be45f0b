"""Numbers as people read them."""

KIB = 1024


def number_of(n: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 job", "1,234 jobs", "0 entries" (``many`` where an s is not enough)."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def size(n: int) -> str:
    """Bytes in the unit that fits: "1 byte", "812 bytes", "9.5 KiB", "44 KiB", "1.2 MiB"; never a 0 for something."""
    for unit in ("", "KiB", "MiB", "GiB", "TiB"):
        number = f"{n:.0f}" if n >= 9.95 or not unit else f"{n:.1f}"
        if float(number) < KIB or unit == "TiB":
            return f"{number} {unit}" if unit else number_of(int(n), "byte")
        n /= KIB
    raise AssertionError("unreachable")
