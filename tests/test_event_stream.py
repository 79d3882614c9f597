"""AWS's event stream encoding, read in pieces of every size."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.event_stream import MAX_HEADERS_BYTES, Message, iter_messages
from tests.cutting import cuts, iter_cuts
from tests.event_streams import encode_exception, encode_message, encode_raw

HEADERS = {":message-type": "event", ":event-type": "chunk"}
TWO = encode_message(HEADERS, b'{"a":1}') + encode_exception("throttlingException", "slow down")


def read(pieces: Iterable[bytes], limit: int = 1024) -> list[Message]:
    return [message for messages in iter_messages(pieces, limit) for message in messages]


def read_until_error(body: bytes, limit: int = 1024) -> tuple[list[Message], str]:
    messages: list[Message] = []
    try:
        for batch in iter_messages([body], limit):
            messages += batch
    except UpstreamError as error:
        return messages, error.message
    raise AssertionError("the stream ended without an error")


def test_messages_have_their_headers_and_payloads() -> None:
    first, second = read([TWO])
    assert first == Message(HEADERS, b'{"a":1}')
    assert second.headers[":exception-type"] == "throttlingException"
    assert second.payload == b'{"message": "slow down"}'


def test_messages_read_the_same_cut_at_every_byte() -> None:
    for pieces in iter_cuts(TWO):
        assert read(pieces) == read([TWO])


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_MESSAGES = st.lists(st.tuples(st.dictionaries(_TEXTS, _TEXTS, max_size=4), st.binary(max_size=60)))


@settings(max_examples=50)
@given(data=st.data(), written=_MESSAGES)
def test_any_messages_come_out_as_they_were_written_cut_anywhere(
    data: st.DataObject, written: list[tuple[dict[str, str], bytes]]
) -> None:
    written = [(headers, body) for headers, body in written if _fits(headers)]
    stream = b"".join(encode_message(headers, payload) for headers, payload in written)
    assert read(data.draw(cuts(stream)), 4096) == written


def _fits(headers: dict[str, str]) -> bool:
    return all(len(name.encode()) < 256 for name in headers)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_an_error_and_nothing_else(garbage: bytes) -> None:
    try:
        read([garbage])
    except UpstreamError:
        return
    assert garbage == b""


def test_every_changed_byte_is_noticed() -> None:
    message = encode_message(HEADERS, b"payload")
    for position in range(len(message)):
        changed = bytearray(message)
        changed[position] ^= 1
        with pytest.raises(UpstreamError):
            read([bytes(changed)])


def test_what_came_before_a_broken_message_is_kept() -> None:
    broken = bytearray(encode_message(HEADERS, b"two"))
    broken[-1] ^= 1
    messages, error = read_until_error(encode_message(HEADERS, b"one") + broken)
    assert [message.payload for message in messages] == [b"one"]
    assert error == "The provider sent a message with a wrong checksum."


def test_every_type_of_header_is_read() -> None:
    values = {
        b"\0": True,
        b"\1": False,
        b"\2\xff": -1,
        b"\3" + struct.pack(">h", 300): 300,
        b"\4" + struct.pack(">i", -70000): -70000,
        b"\5" + struct.pack(">q", 2**40): 2**40,
        b"\6\0\2hi": b"hi",
        b"\7\0\2hi": "hi",
        b"\x08" + struct.pack(">q", 1700000000000): 1700000000000,
        b"\x09" + bytes(range(16)): bytes(range(16)),
    }
    encoded = b"".join(b"\1" + b"%c" % (65 + at) + raw for at, raw in enumerate(values))
    (message,) = read([encode_raw(encoded, b"")])
    assert list(message.headers.values()) == list(values.values())
    assert "".join(message.headers) == "ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"\1a\x0a", "of an unknown type"),
        (b"\1a\7\0\5hi", "can't be read"),
        (b"\1a\x09short", "can't be read"),
        (b"\1a\7\0\1\xff", "can't be read"),
        (b"\x09a", "can't be read"),
    ],
)
def test_headers_that_make_no_sense_are_an_error(headers: bytes, expected: str) -> None:
    assert expected in read_until_error(encode_raw(headers, b""))[1]


def test_an_end_in_the_middle_of_a_message_is_an_error() -> None:
    messages, error = read_until_error(TWO[:-3])
    assert len(messages) == 1
    assert error == "The provider broke off its answer in the middle of a message."


@pytest.mark.parametrize("length", [0, 15, 20])
def test_a_length_that_can_not_be_is_an_error(length: int) -> None:
    prelude = struct.pack(">II", length, 8)
    error = read_until_error(prelude + struct.pack(">I", crc32(prelude)))[1]
    assert error == "The provider sent a message shorter than its own headers."


def test_a_long_message_is_refused_as_soon_as_its_length_is_known() -> None:
    message = encode_message(HEADERS, b"x" * 2000)
    assert "longer than 1024 bytes" in read_until_error(message[:12])[1]
    assert read([message], limit=4096)


def test_long_headers_are_refused_as_soon_as_their_length_is_known() -> None:
    prelude = struct.pack(">II", MAX_HEADERS_BYTES + 100, MAX_HEADERS_BYTES + 1)
    body = prelude + struct.pack(">I", crc32(prelude))
    assert "longer than" in read_until_error(body, limit=2**30)[1]


def test_a_pause_gives_an_empty_list() -> None:
    stream = iter_messages([b"", TWO, b""])
    assert [len(messages) for messages in stream] == [0, 2, 0]
