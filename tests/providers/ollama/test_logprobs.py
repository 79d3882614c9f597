"""Ollama's logprobs in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.providers.ollama.logprobs import build_logprobs


def test_entries_get_what_openai_requires() -> None:
    entry = {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": None}]}
    top = {"token": "b", "logprob": -9999.0, "bytes": None}
    assert build_logprobs([entry]) == {
        "content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": [top]}],
        "refusal": None,
    }


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"token": 5, "logprob": -1.0},
        {"token": "a", "logprob": "x"},
        {"token": "a", "logprob": -1.0, "top_logprobs": 7},
        {"token": "a", "logprob": -1.0, "top_logprobs": ["b"]},
    ],
)
def test_what_is_no_entry_is_an_error_of_the_provider(entry: Any) -> None:
    with pytest.raises(UpstreamError, match="logprobs"):
        build_logprobs([entry])
