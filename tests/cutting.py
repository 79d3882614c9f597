"""Ways to cut bytes into pieces, as networks do. Knows nothing of what the bytes mean."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st


def iter_cuts(body: bytes, most: int | None = None) -> Iterator[list[bytes]]:
    """Yield ``body`` in two pieces, for every place where it can be cut, and byte by byte.

    Of more than ``most`` places some are left out, evenly.
    """
    step = 1 if most is None else max(1, len(body) // most)
    for position in range(0, len(body) + 1, step):
        yield [body[:position], body[position:]]
    yield [body[position : position + 1] for position in range(len(body))]


@st.composite
def cuts(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """Draw ``body`` cut into pieces at random places; a piece may be empty."""
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
