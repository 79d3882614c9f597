"""What reading an answer has to know of the question, and the choices it is told in.

Knows the canonical choice. Must not know what Ollama sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.answer import AnswerHead, begin_answer
from gateway.providers.ollama.tools import ToolPlan
from gateway.types import ChatRequest, ChunkChoice


@dataclass(frozen=True)
class Answer:
    """What all chunks of an answer share, and what was promised of it.

    ``num_ctx`` is in tokens, None if left to Ollama.
    """

    head: AnswerHead
    target: Target
    plan: ToolPlan
    logprobs: bool
    strict_json: bool
    num_ctx: int | None


def build_answer(
    request: ChatRequest, target: Target, plan: ToolPlan, num_ctx: int | None
) -> Answer:
    """Return what is known when a checked request is sent, with a new id."""
    response_format = request.get("response_format") or {}
    json_schema = response_format.get("json_schema") or {}
    return Answer(
        head=begin_answer(target),
        target=target,
        plan=plan,
        logprobs=bool(request.get("logprobs")),
        strict_json=response_format.get("type") == "json_schema"
        and bool(json_schema.get("strict")),
        num_ctx=num_ctx,
    )


def build_choice(
    answer: Answer, index: int, delta: dict[str, Any], finish_reason: str | None = None
) -> ChunkChoice:
    """Return a chunk's one choice; ``logprobs`` is there only where they were asked for."""
    choice: ChunkChoice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    if answer.logprobs:
        choice["logprobs"] = None
    return choice
