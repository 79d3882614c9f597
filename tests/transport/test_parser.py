"""HTTP answers read the same however they are cut, and nothing but one answer is read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.transport.parser import MAX_HEAD_BYTES, ResponseParser
from tests.cutting import cuts, iter_cuts

MEBIBYTE = 1024 * 1024
TEXT = b'{"message":"hello"}\n{"done":true}\n'

WITH_LENGTH = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(TEXT), TEXT)
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5;name=value\r\n%b\r\n%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n"
    % (TEXT[:5], len(TEXT) - 5, TEXT[5:])
)
CLOSE_DELIMITED = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + TEXT
AFTER_INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WITH_LENGTH
)


def deflate(data: bytes, *, raw: bool = False) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def answer(body: bytes, *head: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *head]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


COMPRESSED = {
    "gzip": answer(gzip.compress(TEXT), b"Content-Encoding: gzip"),
    "x-gzip": answer(gzip.compress(TEXT), b"Content-Encoding: X-GZip"),
    "deflate": answer(deflate(TEXT), b"Content-Encoding: deflate"),
    "raw deflate": answer(deflate(TEXT, raw=True), b"Content-Encoding: deflate"),
}
ANSWERS = {
    "length": WITH_LENGTH,
    "chunked": CHUNKED,
    "until the end": CLOSE_DELIMITED,
    "interim": AFTER_INTERIM,
    **COMPRESSED,
}


def read(pieces: Iterable[bytes]) -> tuple[ResponseParser, bytes]:
    """Parse what was read, and the end of the connection after it."""
    parser = ResponseParser()
    body = b""
    for piece in pieces:
        if piece and not parser.complete:
            parser.feed(piece)
            body += drain(parser)
    parser.feed_end()
    return parser, body + drain(parser)


def drain(parser: ResponseParser) -> bytes:
    return b"".join(iter(parser.take, b""))


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS.keys())
def test_answer_is_the_same_cut_at_every_byte(raw: bytes) -> None:
    whole, _ = read([raw])
    for pieces in iter_cuts(raw):
        parser, body = read(pieces)
        assert (parser.status, body, parser.complete) == (200, TEXT, True), pieces
        assert parser.headers == whole.headers


@given(st.data(), st.sampled_from(list(ANSWERS)))
def test_answer_is_the_same_in_any_pieces(data: st.DataObject, name: str) -> None:
    parser, body = read(data.draw(cuts(ANSWERS[name])))
    assert (parser.status, body) == (200, TEXT)


def test_headers_have_lower_case_names_and_repeated_ones_are_joined() -> None:
    parser, _ = read([answer(b"", b"X-A: 1", b"x-a: 2", b"Server: \xe9")])
    assert parser.headers == {"content-length": "0", "x-a": "1, 2", "server": "é"}


def test_interim_answers_and_trailers_leave_nothing_in_the_headers() -> None:
    assert "link" not in read([AFTER_INTERIM])[0].headers
    assert "trailer" not in read([CHUNKED])[0].headers


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (WITH_LENGTH, True),
        (CHUNKED, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (answer(b"", b"Upgrade: h2,h2c", b"Connection: Upgrade"), True),
        (answer(TEXT, b"Connection: close"), False),
        (CLOSE_DELIMITED, False),
        (WITH_LENGTH + WITH_LENGTH, False),
        (CHUNKED + WITH_LENGTH, False),
        (WITH_LENGTH + b"garbage", False),
        (WITH_LENGTH + b"H", False),
        (answer(TEXT, b"Connection: close") + b"x", False),
    ],
)
def test_connection_is_kept_only_after_exactly_one_answer(raw: bytes, kept: bool) -> None:
    parser = ResponseParser()
    parser.feed(raw)
    assert parser.keep_alive is kept


def test_second_answer_in_one_read_adds_nothing_to_the_first() -> None:
    second = b"HTTP/1.1 500 No\r\nX-Second: 1\r\nContent-Length: 5\r\n\r\nWRONG"
    parser = ResponseParser()
    parser.feed(WITH_LENGTH + second)
    assert (parser.status, drain(parser), parser.complete) == (200, TEXT, True)
    assert "x-second" not in parser.headers


@pytest.mark.parametrize("raw", [WITH_LENGTH, CHUNKED, AFTER_INTERIM, *COMPRESSED.values()])
def test_answer_cut_anywhere_is_an_error(raw: bytes) -> None:
    for end in range(1, len(raw) - 1):
        with pytest.raises(UpstreamError):
            read([raw[:end]])


@pytest.mark.parametrize(
    "compressed", [gzip.compress(TEXT), deflate(TEXT), deflate(TEXT, raw=True)]
)
@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK\r\nConnection: close"])
def test_compressed_body_without_a_length_is_an_error_when_cut(
    compressed: bytes, head: bytes
) -> None:
    coding = b"gzip" if compressed[:2] == b"\x1f\x8b" else b"deflate"
    head += b"\r\nContent-Encoding: %b\r\n\r\n" % coding
    assert read([head + compressed])[1] == TEXT
    for end in range(1, len(compressed)):
        with pytest.raises(UpstreamError):
            read([head + compressed[:end]])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"<html>\r\n\r\n", "The provider's answer is not valid HTTP."),
        (b"\x16\x03\x01\x02\x00", "The provider's answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "The provider's answer is not valid HTTP."),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "The provider's answer is not valid HTTP.",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            "The provider tried to change the protocol.",
        ),
        (
            answer(b"x", b"Content-Encoding: br"),
            "The provider compressed its answer in a way nobody asked for.",
        ),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_so(raw: bytes, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read([raw])
    assert caught.value.message == message


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(TEXT) + b"more", gzip.compress(TEXT) * 2],
    ids=["garbage", "trailing garbage", "two members"],
)
def test_compressed_body_that_is_not_one_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        read([answer(body, b"Content-Encoding: gzip")])


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_head_without_an_end_is_stopped_at_a_cap(piece: bytes) -> None:
    parser = ResponseParser()
    if piece.startswith(b"X"):
        parser.feed(b"HTTP/1.1 200 OK\r\n")
    block = piece * (64 * 1024 // len(piece))
    for _ in range(MAX_HEAD_BYTES // len(block) - 1):
        parser.feed(block)
    with pytest.raises(UpstreamError, match="headers are too long"):
        parser.feed(block * 2)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("size", [*range(256 * 1024 - 2, 256 * 1024 + 300, 50), 20 * MEBIBYTE])
def test_body_that_expands_comes_whole_in_bounded_pieces(size: int, raw: bool) -> None:
    parser = ResponseParser()
    body = deflate(b"\0" * size, raw=raw)
    parser.feed(answer(body, b"Content-Encoding: deflate"))
    sizes = [len(piece) for piece in iter(parser.take, b"")]
    assert sum(sizes) == size
    assert max(sizes) <= 256 * 1024
