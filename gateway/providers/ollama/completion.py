"""Completions of a prompt in OpenAI's format over Ollama's ``/api/generate``.

Knows which of their fields Ollama has beside those of a chat: ``suffix`` (recorded, for models
that can insert). Must not know how a chat is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
from gateway.ndjson import iter_lines
from gateway.providers.ollama.answer import Answer, build_answer
from gateway.providers.ollama.native import as_chat_line
from gateway.providers.ollama.options import build_options
from gateway.providers.ollama.response import iter_chunks
from gateway.providers.ollama.tools import ToolPlan
from gateway.providers.request_body import dump_body
from gateway.types import ChatCompletion, Chunk, NativeRequest, UpstreamRequest
from gateway.validation import check_chat_request
from gateway.validation.fields import unsupported_parameter

DIALECT = "completions"
_HONOURED = ("suffix",)


@dataclass(frozen=True)
class OllamaCompletion:
    """A ``gateway.types.ChatCall`` for a prompt, whose answer is always a stream."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    answer: Answer
    streamed: bool = True

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the answer."""
        lines = (b"".join(map(as_chat_line, lines)) for lines in iter_lines(pieces))
        return iter_chunks(lines, self.answer, index)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Refuse: a whole body is no answer to a request for a stream."""
        raise UpstreamError(f"Expected a stream from Ollama, not a body of {len(body)} bytes.")


def build_completion(request: NativeRequest, target: Target) -> OllamaCompletion:
    """Translate a prompt; raises ``InvalidRequestError`` with ``param``."""
    for name in request.native_only:
        if name not in _HONOURED:
            raise unsupported_parameter(name, f"Ollama has nothing like `{name}` as given here.")
    if (request.get("n") or 1) > 1:
        raise unsupported_parameter("n", "Ollama completes a prompt once: ask again for more.")
    check_chat_request(request)
    options = build_options(request, target)
    body: dict[str, Any] = {
        "model": target.model,
        "prompt": request.native["prompt"],
        "stream": True,
        "truncate": False,
    }
    if request.native.get("suffix"):
        body["suffix"] = request.native["suffix"]
    if request.get("logprobs"):
        body |= {"logprobs": True, "top_logprobs": request.get("top_logprobs") or 0}
    if options:
        body["options"] = options
    dropped = ("logit_bias",) if request.get("logit_bias") else ()
    plan = ToolPlan()
    return OllamaCompletion(
        (UpstreamRequest("POST", "/api/generate", dump_body(body)),),
        dropped,
        build_answer(request, target, plan, options.get("num_ctx")),
    )
