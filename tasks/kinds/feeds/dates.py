"""The dates of feeds: RFC 822, RFC 3339, and the many forms that are nearly one of them.

What is not understood is no date at all: an entry is then shown where it was first seen, which is true.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

LENGTH = 80  # characters of a date; the longest known one has 60
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX = re.compile(r"\d{9,10}(?:\.\d{1,9})?|\d{13}")  # seconds or milliseconds
NUMBERS = re.compile(
    r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:(?:\s*[Tt]\s*|\s+)(?P<time>\d.*))?|(?P<year>\d{4})", re.ASCII
)
WORDS = re.compile(r"[A-Za-z]+|\d+", re.ASCII)
ABBREVIATED = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")  # in every locale
MONTHS = {name: n for n, name in enumerate(ABBREVIATED, 1)}
# Hours east of UTC. RFC 822 names the American ones; the others are in use, and mean one thing only.
ZONES = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MET": 1,
    "MEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "HKT": 8, "AEST": 10,
    "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
TIME = re.compile(
    r"(?<![\d:+-])(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AP])\.?M\b\.?)?"
    rf"(?:\s*(?P<zone>{'|'.join(sorted(ZONES, key=len, reverse=True))})(?![A-Z/\d]))?"
    r"\s*(?P<offset>[+-]\d{1,2}(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def moment(*texts: Any) -> datetime | None:
    """The first of some dates that is one, in UTC; a date without a zone is taken to be in UTC."""
    for text in texts:
        text = str(text or "").strip()
        try:
            found = _read(text) if 0 < len(text) <= LENGTH else None
            if found is not None and _is_meant(found := found.astimezone(UTC)):
                return found
        except (ValueError, OverflowError, OSError):
            continue
    return None


def _is_meant(at: datetime) -> bool:
    """The year 1 and the first day of 1970 are how programs write that they know no date."""
    return at.year > 1 and abs(at - EPOCH) > timedelta(days=1)


def _read(text: str) -> datetime | None:
    if UNIX.fullmatch(text):
        return EPOCH + timedelta(seconds=float(text) / (1000 if len(text) == 13 and text.isdigit() else 1))
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        pass
    if found := NUMBERS.fullmatch(text):
        day = [int(part or 1) for part in (found[1] or found["year"], found[2], found[3])]
        return _with_time(day, found["time"] or "")
    return _with_words(text)


def _with_words(text: str) -> datetime | None:
    """A day whose month is a word, before or after its number; a time anywhere, or none."""
    time = TIME.search(text)
    rest = text[: time.start()] + " " + text[time.end() :] if time else text
    words = WORDS.findall(rest.partition("(")[0])
    months = [MONTHS[word[:3].lower()] for word in words if word[:3].lower() in MONTHS]
    numbers = [word for word in words if word.isdigit()]
    if len(months) != 1 or len(numbers) < 2 or re.search(r"\s-\d", rest):
        return None
    number, year = numbers[:2]
    if len(number) > 2 or len(year) not in (2, 4):
        return None
    century = 0 if len(year) == 4 else 1900 if int(year) >= 70 else 2000
    return _with_time([century + int(year), months[0], int(number)], time[0] if time else "")


def _with_time(day: list[int], text: str) -> datetime | None:
    """Midnight is both 0 and 24 o'clock; a leap second is counted as the one after it."""
    at = datetime(*day, tzinfo=UTC)
    if not text:
        return at
    time = TIME.match(text)
    if time is None:
        return None
    hour, minute, second = int(time["hour"]), int(time["minute"]), int(time["second"] or 0)
    if time["half"]:
        hour = hour % 12 + 12 * (time["half"].upper() == "P") if hour <= 12 else hour
    if hour > 24 or (hour == 24 and (minute or second)) or minute > 59 or second > 60:
        return None
    zone = timedelta(hours=ZONES.get((time["zone"] or "").upper(), 0))
    if offset := time["offset"]:
        digits = offset[1:].replace(":", "")
        hours, minutes = int(digits[:-2] or 0) if len(digits) > 2 else int(digits), int(digits[2:] or 0)
        zone = (1 if offset[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)
    return (at + timedelta(hours=hour, minutes=minute, seconds=second)).replace(tzinfo=timezone(zone))
