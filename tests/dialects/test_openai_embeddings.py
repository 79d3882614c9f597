"""Embeddings in the encoding a client asked for."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai_embeddings import encode_embeddings
from gateway.types import RawCompletion

vectors = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8)


def embeddings(*vectors: list[float]) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return {"object": "list", "data": data, "model": "m", "usage": usage}


@pytest.mark.parametrize("request_fields", [{}, {"encoding_format": "float"}])
def test_floats_are_floats(request_fields: dict[str, Any]) -> None:
    answer = embeddings([0.5, -1.25], [3.0])
    assert json.loads(encode_embeddings(answer, request_fields)) == answer


@given(st.lists(vectors, min_size=1, max_size=3))
def test_base64_is_little_endian_floats_of_32_bits(drawn: list[list[float]]) -> None:
    answer = embeddings(*drawn)
    shown = json.loads(encode_embeddings(answer, {"encoding_format": "base64"}))
    for item, vector in zip(shown["data"], drawn, strict=True):
        packed = base64.b64decode(item["embedding"], validate=True)
        assert list(struct.unpack(f"<{len(vector)}f", packed)) == vector
    assert [item["index"] for item in shown["data"]] == list(range(len(drawn)))
    assert {**shown, "data": answer["data"]} == answer


def test_answer_in_openais_own_format_passes_byte_for_byte() -> None:
    answer = RawCompletion(embeddings([1.0]))
    answer.raw = b'{"data": "as it came"}'
    assert encode_embeddings(answer, {"encoding_format": "base64"}) == answer.raw
