"""Lines of newline-delimited JSON, whatever the cuts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.ndjson import iter_lines
from tests.cutting import cuts, iter_cuts

BODY = b'{"a":"\xe2\x80\xa8\xc2\x85\x0b\x1e"}\r\n\n{"b":1}\n \r\n{"c":2}'
LINES = [b'{"a":"\xe2\x80\xa8\xc2\x85\x0b\x1e"}', b'{"b":1}', b'{"c":2}']


def read(pieces: list[bytes]) -> list[bytes]:
    return list(chain.from_iterable(iter_lines(pieces)))


def test_lines_are_the_same_cut_at_every_byte() -> None:
    for pieces in iter_cuts(BODY):
        assert read(pieces) == LINES, pieces


@given(st.data(), st.lists(st.sampled_from([b"x", b"\n", b"\r", b" ", b"\xc2\x85"])))
def test_any_bytes_give_the_same_lines_cut_or_not(data: st.DataObject, parts: list[bytes]) -> None:
    body = b"".join(parts)
    expected = [line.rstrip(b"\r") for line in body.split(b"\n") if line.strip()]
    assert read([body]) == expected
    assert read(data.draw(cuts(body))) == expected


def test_a_line_comes_with_the_piece_that_ends_it_and_a_pause_gives_nothing() -> None:
    pieces = [b"1", b"", b"\n2\n3", b"\n", b"4"]
    assert list(iter_lines(pieces)) == [[], [], [b"1", b"2"], [b"3"], [], [b"4"]]


def test_a_line_that_never_ends_is_cut_at_the_limit() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 40

    with pytest.raises(UpstreamError, match="longer than 200 bytes"):
        list(iter_lines(endless(), limit=200))
    assert len(taken) == 6


@pytest.mark.parametrize("piece", [b"0123456789x\n1", b"1\n0123456789x", b"1\n0123456789x\n2\n"])
def test_a_long_line_among_others_is_refused(piece: bytes) -> None:
    with pytest.raises(UpstreamError, match="longer than 10 bytes"):
        list(iter_lines([piece], limit=10))


def test_a_line_at_the_limit_passes() -> None:
    assert read([b"0123456789\n"]) == list(chain.from_iterable(iter_lines([b"0123456789\n"], 10)))


def test_a_line_of_8_mib_passes_in_linear_time() -> None:
    line = b"x" * (8 << 20)
    pieces = [line[start : start + 1024] for start in range(0, len(line), 1024)]
    start = time.process_time()
    assert read([*pieces, b"\n{}\n"]) == [line, b"{}"]
    assert time.process_time() - start < 0.5
