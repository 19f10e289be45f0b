"""Bodies as they were before compression, in bounded pieces: a bomb costs one piece more than its cap, not its size."""

import zlib
from collections.abc import Iterator

PIECE = 64 * 1024  # bytes
# IANA's registered content codings, but those that are undone here.
UNASKED = {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}
MEMBERS = 1000  # gzip members in one body; each costs time to set up, however small


class Undecodable(ValueError):
    """An encoding that was not asked for, or bytes that are not in it."""


class Inflater:
    """Feed chunks, get pieces of at most 64 KiB; `end()` complains when the stream stopped in the middle.

    What is no content coding at all (`utf-8`, `none`) changes nothing, as in browsers; `Undecodable` for the others.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding.strip().lower()
        if "," in self.encoding or self.encoding in UNASKED:
            raise Undecodable("The body has a content encoding that was not asked for.")
        self.plain = self.encoding not in ("gzip", "x-gzip", "deflate")
        self._stream: zlib._Decompress | None = None
        self._members = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self.plain:
            yield data
            return
        piece = b""
        try:
            # zlib may hold output back after it took all input, so a full piece asks once more.
            while (data or len(piece) == PIECE) and not self._over:
                if self._stream is None and not self._next(data):
                    return
                piece = self._stream.decompress(data, PIECE)
                if piece:
                    yield piece
                data = self._stream.unconsumed_tail
                if self._stream.eof:
                    data, self._stream, piece = self._stream.unused_data, None, b""
        except zlib.error:
            raise Undecodable("The body is not in the encoding it claims.") from None

    def end(self) -> None:
        if self._stream is not None:
            raise Undecodable("The compressed body ended early.")

    def _next(self, data: bytes) -> bool:
        """Begins the first or a further gzip member; what follows the last one is no part of the body."""
        self._members += 1
        if self._members > MEMBERS:
            raise Undecodable("The compressed body has too many parts.")
        if self._members > 1 and (self.encoding == "deflate" or not data.startswith(b"\x1f")):
            self._over = True
            return False
        if self.encoding == "deflate":  # zlib's format by the standard, but some servers send the bare stream
            self._stream = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
        else:
            self._stream = zlib.decompressobj(31)
        return True
