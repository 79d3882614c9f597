"""Framing of server-sent events, whatever the cuts and line ends."""

from __future__ import annotations

import time
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.sse import Event, encode_event, iter_events, parse_event, parse_plain_event
from tests.cutting import cuts, iter_cuts

MIXED = (
    b'data: {"a":"\xe2\x80\xa8\xc2\x85"}\n\n: ping\n\nevent: error\r\ndata: 1\r\ndata: 2\r\n\r\n'
)
MIXED_EVENTS = [
    Event("", b'{"a":"\xe2\x80\xa8\xc2\x85"}'),
    Event("", None),
    Event("error", b"1\n2"),
]


def read(pieces: list[bytes], limit: int = 1 << 20) -> list[Event]:
    return [parse_event(raw) for raw in chain.from_iterable(iter_events(pieces, limit))]


def test_events_are_the_same_cut_at_every_byte() -> None:
    for pieces in iter_cuts(MIXED):
        assert read(pieces) == MIXED_EVENTS, pieces


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_events_are_the_same_with_any_line_end_cut_at_every_byte(end: bytes) -> None:
    body = end.join(
        [b"", b"data: a", b"", b"", b"id: 1", b"data:b", b"data", b"", b": x", b"", b""]
    )
    for pieces in iter_cuts(body):
        assert read(pieces) == [Event("", b"a"), Event("", b"b\n"), Event("", None)], pieces


@given(st.data(), st.lists(st.sampled_from([b"data: x", b"a", b"\n", b"\r", b"\r\n"])))
def test_any_bytes_give_the_same_events_cut_or_not(data: st.DataObject, parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert read(data.draw(cuts(body))) == read([body])


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_one_list_comes_for_each_piece_and_none_of_it_is_lost(pieces: list[bytes]) -> None:
    lists = list(iter_events(pieces))
    assert len(lists) - len(pieces) in (0, 1)
    body = b"".join(pieces)
    assert b"".join(chain.from_iterable(lists)).translate(None, b"\r\n") == body.translate(
        None, b"\r\n"
    )


def test_a_complete_event_comes_with_its_piece_and_a_pause_gives_nothing() -> None:
    pieces = [b"data: 1\n", b"", b"\ndata: 2\n\ndata: 3", b"\n\n"]
    assert list(iter_events(pieces)) == [
        [],
        [],
        [b"data: 1\n\n", b"data: 2\n\n"],
        [b"data: 3\n\n"],
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_that_comes_byte_by_byte_is_not_kept_waiting(end: bytes) -> None:
    raw = b"data: 1" + end + end
    lists = list(iter_events(raw[at : at + 1] for at in range(len(raw))))
    assert lists == [[]] * (len(raw) - 1) + [[raw]]


def test_a_rest_without_a_blank_line_comes_last_as_it_is() -> None:
    assert list(iter_events([b"data: 1\n\ndata: 2"])) == [[b"data: 1\n\n"], [b"data: 2"]]


def test_a_byte_order_mark_does_not_hide_the_first_event() -> None:
    assert read([b"\xef\xbb\xbfdata: 1\n\n"]) == [Event("", b"1")]


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (b"data:x\n\n", Event("", b"x")),
        (b"data:  x\n\n", Event("", b" x")),
        (b"data\n\n", Event("", b"")),
        (b": ping\n\n", Event("", None)),
        (b"event: a\nevent: b\ndata: x\n\n", Event("b", b"x")),
        (b"id: 7\nretry: 9\ndata: x\n\n", Event("", b"x")),
        (b"data: a\n: c\ndata: b\n\n", Event("", b"a\nb")),
        (b"data: a: b\n\n", Event("", b"a: b")),
        (b"data: x\ny", Event("", b"x")),
    ],
)
def test_fields_are_read_as_the_standard_says(raw: bytes, event: Event) -> None:
    assert parse_event(raw) == event


@given(st.binary(max_size=30).filter(lambda data: not {10, 13} & set(data)))
def test_what_is_encoded_is_plain_and_reads_back(data: bytes) -> None:
    assert parse_plain_event(encode_event(data)) == data
    assert read([encode_event(data)]) == [Event("", data)]


@pytest.mark.parametrize(
    "raw",
    [b"data:x\n\n", b"data: x\r\n\r\n", b"data: x\r\r", b"data: x\n", b"data: x\ny", b"data: x",
     b"data: a\ndata: b\n\n", b"id: 1\ndata: x\n\n", b": x\n\n", b"data: a\rb\n\n", b""],
)  # fmt: skip
def test_other_framings_are_not_plain(raw: bytes) -> None:
    assert parse_plain_event(raw) is None


@pytest.mark.parametrize("piece", [b"x" * 40, b"data: x\n", b"data: x\r\n", b"\r\n: x"])
def test_an_event_that_never_ends_is_cut_at_the_limit(piece: bytes) -> None:
    taken = []

    def endless() -> object:
        while True:
            taken.append(piece)
            yield piece

    with pytest.raises(UpstreamError, match="longer than 200 bytes"):
        list(iter_events(endless(), limit=200))  # type: ignore[arg-type]
    assert len(taken) <= 200 // len(piece) + 1


def test_a_long_event_in_one_piece_with_others_is_refused() -> None:
    with pytest.raises(UpstreamError, match="longer than 10 bytes"):
        list(iter_events([b"data: 1\n\ndata: 0123456789\n\n"], limit=10))


def test_many_short_events_in_one_long_piece_pass_the_limit() -> None:
    assert list(iter_events([b"data: 1\n\n" * 100], limit=10)) == [[b"data: 1\n\n"] * 100]


def seconds_to_read(body: bytes) -> float:
    pieces = [body[start : start + 4096] for start in range(0, len(body), 4096)]
    best = 60.0
    for _ in range(2):
        start = time.process_time()
        events = list(chain.from_iterable(iter_events(pieces)))
        best = min(best, time.process_time() - start)
        assert b"".join(events) == body
    return best


@pytest.mark.parametrize("line", [b"data: " + b"x" * 57 + b"\n", b"data: " + b"x" * 56 + b"\r\n"])
def test_an_event_of_8_mib_passes_in_linear_time(line: bytes) -> None:
    end = line.lstrip(b"data: x")
    small, large = (line * (size // len(line)) + end for size in (1 << 20, 8 << 20))
    assert seconds_to_read(large) < 30 * seconds_to_read(small) + 0.05
    one_line = b"data: " + b"x" * (8 << 20) + b"\n\n"
    assert seconds_to_read(one_line) < 0.5
