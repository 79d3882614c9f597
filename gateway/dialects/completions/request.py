"""Requests for completions as canonical ones: one for each prompt.

Knows the fields of OpenAI's older completions (openai-python 3.54). Must not know answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.envelope import check_model, check_stream, parse_object
from gateway.types import NativeRequest
from gateway.validation.fields import (
    check_boolean,
    check_integer,
    check_object,
    wrong_type,
    wrong_value,
)

DIALECT = "completions"
MAX_PROMPTS = 2048

_SAME = (
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "user",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "stream_options",
)


class CompletionsRequest(NativeRequest):
    """A request for completions; ``first_index`` is that of its prompt's first choice.

    ``is_one_of_many``: there are other prompts, whose answers are told together with its own.
    """

    __slots__ = ("first_index", "is_one_of_many", "prompt")

    def __init__(
        self, native: dict[str, Any], prompt: Any, place: int, *, is_one_of_many: bool
    ) -> None:
        canonical: dict[str, Any] = {name: native[name] for name in _SAME if name in native}
        canonical["model"] = native["model"]
        canonical["messages"] = [{"role": "user", "content": prompt}]
        canonical["stream"] = native.get("stream") is True
        logprobs = native.get("logprobs")
        if logprobs is not None:
            canonical |= {"logprobs": True, "top_logprobs": logprobs}
        super().__init__(
            canonical,
            DIALECT,
            {**native, "prompt": prompt},
            native_only=_find_native_only(native, prompt),
        )
        self.prompt = prompt
        self.first_index = place * (native.get("n") or 1)
        self.is_one_of_many = is_one_of_many


def parse_request(body: bytes, headers: Mapping[str, str]) -> CompletionsRequest:
    """See ``ChatDialect.parse_request``; of several prompts the first. See ``split_request``."""
    return split_request(body)[0]


def split_request(body: bytes) -> list[CompletionsRequest]:
    """Return a request for each prompt of the one in ``body``; raises ``InvalidRequestError``."""
    native = parse_object(body)
    check_model(native)
    check_stream(native)
    check_integer(native, "n", 1, 128)
    check_integer(native, "best_of", 0, 128)
    check_integer(native, "logprobs", 0, 20)
    check_boolean(native, "echo")
    check_object(native, "stream_options")
    prompts = _read_prompts(native.get("prompt"))
    return [
        CompletionsRequest(native, prompt, place, is_one_of_many=len(prompts) > 1)
        for place, prompt in enumerate(prompts)
    ]


def _read_prompts(prompt: Any) -> list[Any]:
    """Return the prompts: strings, or token ids, which only their own model can read."""
    if prompt is None:
        return [""]
    if isinstance(prompt, str):
        return [prompt]
    if not isinstance(prompt, list):
        raise wrong_type("prompt", "a string or an array", prompt)
    if not prompt or len(prompt) > MAX_PROMPTS:
        raise wrong_value("prompt", f"`prompt` must hold 1 to {MAX_PROMPTS} prompts.")
    if all(type(each) is int for each in prompt):
        return [prompt]
    for place, each in enumerate(prompt):
        is_tokens = isinstance(each, list) and all(type(token) is int for token in each)
        if not isinstance(each, str) and not is_tokens:
            raise wrong_type(f"prompt[{place}]", "a string or an array of token ids", each)
    return prompt


def _find_native_only(native: dict[str, Any], prompt: Any) -> tuple[str, ...]:
    """Return what a chat has no way to do."""
    names = []
    if not isinstance(prompt, str):
        names.append("prompt")
    if native.get("suffix"):
        names.append("suffix")
    if (native.get("best_of") or 1) > (native.get("n") or 1):
        names.append("best_of")
    if native.get("echo") and native.get("logprobs") is not None:
        names.append("echo")
    return tuple(names)
