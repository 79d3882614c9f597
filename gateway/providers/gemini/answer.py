"""What reading an answer has to know of the question, and the choices it is told in.

Knows the canonical choice. Must not know what Gemini sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.answer import AnswerHead, begin_answer
from gateway.providers.gemini.tools import ToolPlan
from gateway.types import ChatRequest, ChunkChoice


@dataclass(frozen=True)
class Answer:
    """What all chunks of an answer share, and what was promised of it."""

    head: AnswerHead
    target: Target
    plan: ToolPlan
    logprobs: bool

    @property
    def provider(self) -> str:
        """How messages name who gave the answer."""
        return f"The provider `{self.target.provider.name}`"


def build_answer(request: ChatRequest, target: Target, plan: ToolPlan) -> Answer:
    """Return what is known when a checked request is sent, with a new id."""
    return Answer(
        head=begin_answer(target),
        target=target,
        plan=plan,
        logprobs=bool(request.get("logprobs")),
    )


def build_choice(
    answer: Answer, index: int, delta: dict[str, Any], finish_reason: str | None = None
) -> ChunkChoice:
    """Return a chunk's one choice; ``logprobs`` is there only where they were asked for."""
    choice: ChunkChoice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    if answer.logprobs:
        choice["logprobs"] = None
    return choice
