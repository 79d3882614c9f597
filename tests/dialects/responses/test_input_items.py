"""The list of the items that led to a stored response."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from gateway.dialects.responses.input_items import list_input_items
from gateway.errors import InvalidRequestError

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
ITEMS: list[Any] = [
    {"role": "user", "content": "hi"},
    {"type": "message", "role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}]},
    {"role": "assistant", "content": "Hello."},
    {"id": "msg_own", "role": "assistant", "content": [{"type": "output_text", "text": "So?"}]},
    {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
    CALL,
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "text", "text": "1"}]},
    {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "in"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "out"},
]


def test_every_item_is_what_the_sdk_reads() -> None:
    listed = list_input_items(ITEMS, {"order": "asc"})
    adapter: Any = TypeAdapter(ResponseItem)
    for item in listed["data"]:
        adapter.validate_python(item, strict=True)
    first, second, third, fourth, fifth, *_ = listed["data"]
    assert first["id"].startswith("msg_")
    assert first["content"] == [{"type": "input_text", "text": "hi"}]
    assert (first["type"], first["status"]) == ("message", "completed")
    assert second["content"] == [{"type": "input_text", "text": "Be brief."}]
    assert third["content"][0]["detail"] == "auto"
    assert fourth["content"] == [{"type": "output_text", "text": "Hello.", "annotations": []}]
    assert fifth["id"] == "msg_own"
    assert ITEMS[0] == {"role": "user", "content": "hi"}


def test_the_last_comes_first_unless_asked_otherwise_and_ids_stay() -> None:
    forwards = list_input_items(ITEMS, {"order": "asc"})["data"]
    assert list_input_items(ITEMS, {})["data"] == forwards[::-1]
    assert list_input_items(ITEMS[:3], {"order": "asc"})["data"] == forwards[:3]
    assert len({item["id"] for item in list_input_items([CALL, CALL], {})["data"]}) == 2


@given(st.integers(0, 60), st.integers(1, 100), st.sampled_from(["asc", "desc"]))
def test_pages_have_every_item_once(count: int, limit: int, order: str) -> None:
    items = [{"role": "user", "content": str(each % 7)} for each in range(count)]
    query = {"limit": str(limit), "order": order}
    seen: list[Any] = []
    while True:
        page = list_input_items(items, query)
        seen += page["data"]
        assert len(page["data"]) <= limit
        if not page["has_more"]:
            break
        assert page["last_id"] == page["data"][-1]["id"]
        query["after"] = page["last_id"]
    assert [item["content"][0]["text"] for item in seen] == [
        item["content"] for item in (items if order == "asc" else items[::-1])
    ]


def test_no_items_are_an_empty_list() -> None:
    assert list_input_items([], {}) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [*[("limit", each) for each in ("0", "101", "-1", "x", "", "0100", "²", "9" * 5000)],
     ("order", "up"), ("order", ""), ("after", "msg_nothing")],
)  # fmt: skip
def test_a_wrong_query_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        list_input_items(ITEMS, {name: value})
    assert (caught.value.param, caught.value.code) == (name, "invalid_value")


def test_what_is_not_known_here_is_shown_as_it_is() -> None:
    own = {"type": "local_shell_call_output", "id": "l", "output": [{"type": ["x"]}, 1]}
    reference = {"type": "item_reference", "id": "msg_1"}
    listed = list_input_items([own, reference, {"type": "new", "output": 5}], {"order": "asc"})
    assert listed["data"][:2] == [own, reference]
    assert listed["data"][2]["id"].startswith("item_")
