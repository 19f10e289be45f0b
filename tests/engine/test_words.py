"""Numbers as people read them: one job, two jobs, and no size of 0 for something."""

import pytest

from tasks.engine.words import number_of, size


def test_one_is_one_and_not_many() -> None:
    said = [number_of(n, "job") for n in (0, 1, 2, 1_234)]
    assert said == ["0 jobs", "1 job", "2 jobs", "1,234 jobs"]
    assert [number_of(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_023, "1,023 bytes"),
        (1_024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (45_000, "44 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_sizes_are_rounded_and_never_to_nothing(n: int, said: str) -> None:
    assert size(n) == said
