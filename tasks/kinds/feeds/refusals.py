"""What is refused of a feed's document, and the limits that every format has."""

LARGEST = 5_000_000  # bytes of a document, after decompression
MOST_ENTRIES = 500  # of one document: the first, which are the newest everywhere
MOST_ELEMENTS = 50_000  # attributes count as well: the library takes a tenth of a millisecond for each
MOST_ATTRIBUTES = 100  # of one element
DEEPEST = 100
JSON_CHARACTERS = 4_000_000  # a list of empty objects takes forty times its length


class RefusedDocument(Exception):
    """Not a feed that is read; ``reason`` names why, the text is one sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def too_many() -> RefusedDocument:
    return RefusedDocument("too-many-elements", f"The feed has more than {MOST_ELEMENTS:,} elements and attributes.")
