"""Ids of jobs: each is another one, in every thread and in every process that was forked."""

import os
from concurrent.futures import ThreadPoolExecutor

from tasks.engine.uid import uuid7


def test_no_two_ids_are_equal_in_threads_and_forked_processes():
    uuid7()  # from here on random bytes wait to be used
    read, write = os.pipe()
    children = 3
    for _ in range(children):
        if os.fork() == 0:
            os.write(write, b"".join(uuid7().bytes[6:] for _ in range(100)))
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        found = pipe.read()
    parts = [found[start : start + 10] for start in range(0, len(found), 10)]
    with ThreadPoolExecutor(4) as threads:
        parts += [uid.bytes[6:] for uid in threads.map(lambda _: uuid7(), range(2_000))]
    for _ in range(children):
        os.wait()
    assert len(set(parts)) == len(parts) == 100 * children + 2_000


def test_an_id_is_of_version_7_and_sorts_by_time():
    made = [uuid7() for _ in range(600)]
    assert {uid.version for uid in made} == {7} and {uid.variant for uid in made} == {"specified in RFC 4122"}
    assert sorted(uid.int >> 80 for uid in made) == [uid.int >> 80 for uid in made]
