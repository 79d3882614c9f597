"""What upstreams say of their own limits, under the gateway's names for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers import get_provider
from gateway.providers.rate_limits import OPENAI_LIMITS, PREFIX
from tests.recordings import load

NOW = 1_775_399_325.5
"""2026-04-05T14:28:45.5Z"""

RESET = "x-ratelimit-reset-requests"

RECORDED = [
    (
        "openai",
        "openai/stream-no-usage-gpt-4-1-nano",
        {
            "ratelimit-limit-requests": "500",
            "ratelimit-remaining-requests": "499",
            "ratelimit-reset-requests": "120ms",
            "ratelimit-limit-tokens": "200000",
            "ratelimit-remaining-tokens": "199990",
            "ratelimit-reset-tokens": "3ms",
        },
    ),
    (
        "azure",
        "azure-openai/stream-no-usage-openllmetry-testing",
        {
            "ratelimit-limit-requests": "120",
            "ratelimit-remaining-requests": "119",
            "ratelimit-limit-tokens": "120000",
            "ratelimit-remaining-tokens": "119986",
        },
    ),
    (
        "groq",
        "groq/stream-plain-llama3-8b-8192",
        {
            "ratelimit-limit-requests": "50000",
            "ratelimit-remaining-requests": "49999",
            "ratelimit-reset-requests": "1.728s",
            "ratelimit-limit-tokens": "100000",
            "ratelimit-remaining-tokens": "99988",
            "ratelimit-reset-tokens": "7.2ms",
        },
    ),
    (
        "mistral",
        "mistral/whole-plain-ministral-3b-latest",
        {"ratelimit-limit-tokens": "2000000", "ratelimit-remaining-tokens": "1999986"},
    ),
    (
        "cerebras",
        "openai-compat/cerebras-whole-reasoning-gpt-oss-120b",
        {"ratelimit-remaining-requests": "14399", "ratelimit-remaining-tokens": "31204"},
    ),
    (
        "huggingface",
        "openai-compat/huggingface-stream-logprobs-usage-qwen3-coder-480b-a35b-inst",
        {
            "ratelimit-limit-tokens": "33333",
            "ratelimit-remaining-tokens": "33264",
            "retry-after": "1",
        },
    ),
    (
        "anthropic",
        "anthropic/stream-tools-claude-haiku-4-5",
        {
            "ratelimit-limit-requests": "20000",
            "ratelimit-remaining-requests": "19999",
            "ratelimit-reset-requests": "9.5s",
            "ratelimit-limit-tokens": "4800000",
            "ratelimit-remaining-tokens": "4800000",
            "ratelimit-reset-tokens": "9.5s",
            "ratelimit-limit-input-tokens": "4000000",
            "ratelimit-remaining-input-tokens": "4000000",
            "ratelimit-reset-input-tokens": "9.5s",
            "ratelimit-limit-output-tokens": "800000",
            "ratelimit-remaining-output-tokens": "800000",
            "ratelimit-reset-output-tokens": "9.5s",
        },
    ),
    ("gemini", "gemini/stream-plain-gemini-2-5-flash", {}),
]


@pytest.mark.parametrize(("kind", "recording", "told"), RECORDED, ids=lambda it: str(it)[:20])
def test_recorded_headers_are_told_under_the_same_names(
    kind: str, recording: str, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    headers = load(*recording.split("/")).headers
    expected = {PREFIX + name: value for name, value in told.items()}
    assert get_provider(kind).read_limits(headers) == expected


def test_other_words_for_what_is_counted() -> None:
    headers = {"x-ratelimit-remaining-tokens-prompt": "5", "x-ratelimit-limit-requests": "6"}
    assert get_provider("fireworks").read_limits(headers) == {
        f"{PREFIX}ratelimit-remaining-input-tokens": "5",
        f"{PREFIX}ratelimit-limit-requests": "6",
    }
    headers = {"x-ratelimit-remaining": "0", "x-trial-endpoint-call-remaining": "8"}
    remaining = f"{PREFIX}ratelimit-remaining-requests"
    assert get_provider("openrouter").read_limits(headers) == {remaining: "0"}
    assert get_provider("cohere").read_limits(headers) == {remaining: "8"}


@pytest.mark.parametrize(
    ("reset", "told"),
    [
        ("1h0m57.015s", "1h0m57.015s"),
        ("6m", "6m"),
        ("33011.38", "9h10m11.38s"),
        ("0", "0s"),
        ("2026-04-05T14:28:55Z", "9.5s"),
        ("2026-04-05T16:28:55+02:00", "9.5s"),
        ("2026-04-05T14:28:55", "9.5s"),
        ("2026-04-05T14:28:00Z", "0s"),
        ("1775399335", "9.5s"),
        ("1775399335000", "9.5s"),
        ("1775399300", "0s"),
    ],
)
def test_a_reset_is_told_as_a_duration_however_it_came(reset: str, told: str) -> None:
    assert OPENAI_LIMITS.read({RESET: reset}, NOW) == {f"{PREFIX}ratelimit-reset-requests": told}


@pytest.mark.parametrize("reset", ["", "-1", "nan", "inf", "soon", "1, 2", "9" * 50, "Mon, 5 Apr"])
def test_what_cannot_be_read_is_left_out(reset: str) -> None:
    headers = {RESET: reset, "x-ratelimit-limit-tokens": reset, "retry-after": "later"}
    assert OPENAI_LIMITS.read(headers, NOW) == {}


@given(st.dictionaries(st.sampled_from(["limit", "remaining", "reset"]), st.text()), st.text())
def test_no_text_of_an_upstream_passes(values: dict[str, str], wait: str) -> None:
    headers = {f"x-ratelimit-{what}-tokens": value for what, value in values.items()}
    for value in OPENAI_LIMITS.read({**headers, "retry-after": wait}, NOW).values():
        assert set(value) <= set("0123456789.hms")
        assert len(value) < 60
