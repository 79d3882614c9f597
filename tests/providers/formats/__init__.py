"""The formats that fake upstreams of the contract test speak: one module a format.

A kind of provider whose code is ``gateway.providers.<format>`` is tested with
``tests.providers.formats.<format>`` (but for those in ``SPOKEN_BY``), which has:

* ``answer_text(request, text)``, ``answer_tool_call(request, name, arguments)``,
  ``answer_embeddings(request, vectors)`` and ``answer_error(status, message)``:
  an ``Answer`` to a request for a chat or embeddings, whole or streamed as it asks;
* ``stream_text(request, pieces)``: the answer to a request that the client wants streamed;
* ``answer_other(request)``: the answer to any other request that the provider makes
  beside them (a model's description), None where there is no such request;
* ``configure(url)``: the settings of a provider in ``gateway.yaml``, but for its kind;
* ``HAS_EMBEDDINGS``.

Each answer to a chat counts 3 tokens of prompt and 2 of completion.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from gateway.kinds import KINDS

PROMPT_TOKENS = 3
COMPLETION_TOKENS = 2
KEY = "the-provider-key-0123"

SPOKEN_BY = {"azure": "openai", "mistral": "openai", "vertex": "gemini"}
"""Formats of providers whose code is not named like the format."""


class Answer(NamedTuple):
    """What a fake upstream sends."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


def format_name(kind: str) -> str:
    """Return the name of the format that a kind of provider speaks."""
    package = KINDS[kind].implementation.partition(":")[0].split(".")[2]
    return SPOKEN_BY.get(package, package)


def find_format(kind: str) -> Any:
    """Return the module of a kind's format, None where there is none yet."""
    name = f"{__name__}.{format_name(kind)}"
    return import_module(name) if find_spec(name) else None
