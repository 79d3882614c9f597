"""How each provider's list of models goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kinds import KINDS
from gateway.providers import get_provider


@pytest.mark.parametrize(
    ("kind", "page", "path"),
    [
        (
            "anthropic",
            {"data": [], "has_more": True, "last_id": "claude-x"},
            "/v1/models?limit=1000&after_id=claude-x",
        ),
        ("anthropic", {"data": [], "has_more": False, "last_id": "claude-x"}, None),
        (
            "gemini",
            {"models": [], "nextPageToken": "a/b="},
            "/models?pageSize=1000&pageToken=a%2Fb%3D",
        ),
        ("gemini", {"models": [], "nextPageToken": ""}, None),
        (
            "vertex",
            {"publisherModels": [], "nextPageToken": "t"},
            "/publishers/google/models?pageSize=1000&pageToken=t",
        ),
        (
            "cohere",
            {"models": [], "next_page_token": "t"},
            "/v1/models?page_size=1000&page_token=t",
        ),
        ("cohere", {"models": [], "next_page_token": None}, None),
        ("openai", {"data": [], "has_more": True, "last_id": "b"}, "/models?after=b"),
        ("openai", {"data": [], "last_id": "b"}, None),
        ("ollama", {"models": [], "nextPageToken": "t", "has_more": True, "last_id": "b"}, None),
    ],
)
def test_the_next_page_is_asked_for(kind: str, page: dict[str, Any], path: str | None) -> None:
    request = get_provider(kind).build_next_models(json.dumps(page).encode())
    assert (request and (request.method, request.path)) == (path and ("GET", path))


@pytest.mark.parametrize("kind", KINDS)
@given(
    body=st.binary()
    | st.dictionaries(
        st.sampled_from(["has_more", "last_id", "nextPageToken", "next_page_token"]),
        st.booleans() | st.integers() | st.text() | st.none(),
    ).map(lambda page: json.dumps(page).encode())
)
def test_no_page_leads_anywhere_else(kind: str, body: bytes) -> None:
    provider = get_provider(kind)
    request = provider.build_next_models(body)
    if request is not None:
        assert request.path.startswith(provider.build_model_list().path)
        assert request.path.isascii()
        assert request.path.isprintable()
