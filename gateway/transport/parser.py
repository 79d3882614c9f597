"""HTTP/1.1 answers: bytes in, status, headers and body pieces out, by llhttp.

Knows HTTP/1.1's response framing and content codings. Does no I/O.
"""

from __future__ import annotations

import zlib

import httptools

from gateway.errors import UpstreamError

MAX_HEAD_BYTES = 256 * 1024
_MAX_DECODED_PIECE = 256 * 1024


class ResponseParser:
    """Parser of one response; feed it what was read until ``complete``.

    ``headers`` has lower-case names; repeated ones are joined by a comma. Raises
    ``UpstreamError`` for what is not HTTP.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.complete = False
        self.keep_alive = False
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._decoder: _Decoder | None = None
        self._started = False

    @property
    def started(self) -> bool:
        """Whether any byte of the response has come."""
        return self._started

    def feed(self, data: bytes) -> None:
        """Take what one read of the socket gave."""
        self._started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise UpstreamError("The provider tried to change the protocol.") from error
        except httptools.HttpParserError as error:
            self.keep_alive = False
            if isinstance(error.__context__, UpstreamError):
                raise error.__context__ from None
            if not self.complete:
                raise UpstreamError("The provider's answer is not valid HTTP.") from error
        if self.status is None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise UpstreamError("The provider's response headers are too long.")

    def feed_end(self) -> None:
        """Take the end of the connection; raises ``UpstreamError`` where the body isn't whole.

        A body without a length ends with the connection; whether it is whole,
        only its own format can tell.
        """
        self.keep_alive = False
        if self.complete:
            return
        coding = self.headers.get("transfer-encoding", "")
        framed = "content-length" in self.headers or "chunked" in coding.lower()
        if self.status is None or framed:
            raise UpstreamError("The provider closed the connection in the middle of its answer.")
        self.complete = True

    def take(self) -> bytes:
        """Return the body that has come since the last call, decoded; b"" if there is none.

        Compressed bodies come in bounded pieces, however much they expand; call
        again until b"" is returned.
        """
        if self._decoder is not None:
            data = b"".join(self._pieces)
            self._pieces.clear()
            return self._decoder.decode(data, final=self.complete)
        if not self._pieces:
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data

    def on_message_begin(self) -> None:
        if self.complete:
            # Nothing that follows the one answer can be trusted, so nothing of it is read.
            raise _SecondAnswerError

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is not None:
            return  # a trailer
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in self.headers:
            text = f"{self.headers[key]}, {text}"
        self.headers[key] = text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise UpstreamError("The provider tried to change the protocol.")
            self.headers.clear()
            return
        self.status = status
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            self._decoder = _Decoder(coding)
        elif coding not in ("", "identity"):
            raise UpstreamError("The provider compressed its answer in a way nobody asked for.")

    def on_message_complete(self) -> None:
        if self.status is not None:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()


class _SecondAnswerError(Exception):
    """Stops llhttp; ``feed`` takes it for what any other rest of a read is."""


class _Decoder:
    """Decodes gzip or deflate in pieces of at most ``_MAX_DECODED_PIECE`` bytes."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(47 if "gzip" in coding else zlib.MAX_WBITS)
        self._begun = False

    def decode(self, data: bytes, *, final: bool) -> bytes:
        data = self._inflate.unconsumed_tail + data
        if not self._begun:
            if not data:
                return b""
            if self._coding == "deflate" and (data[0] & 0x0F) != 8:
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self._begun = True
        try:
            # Called without data, too: a full piece may have left output behind in zlib.
            piece = self._inflate.decompress(data, _MAX_DECODED_PIECE)
        except zlib.error as error:
            raise UpstreamError("The provider's compressed answer can't be decoded.") from error
        if self._inflate.unused_data:
            raise UpstreamError("The provider's compressed answer is followed by something else.")
        if final and not piece and not self._inflate.eof:
            raise UpstreamError("The provider's compressed answer is cut short.")
        return piece
