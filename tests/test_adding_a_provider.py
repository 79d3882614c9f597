"""The provider that ``docs/adding-a-provider.md`` adds, as it stands there."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.errors import UpstreamError

DOCUMENT = Path(__file__).parents[1] / "docs" / "adding-a-provider.md"
TARGET = Target(ProviderSettings("tiny", "tiny", "https://api.tiny.example"), "m", "tiny/m")
BODY = b'{"text": "Hel"}\n{"text": "lo."}\n{"used": {"in": 3, "out": 2}}\n'


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Any:
    text = DOCUMENT.read_text(encoding="utf-8")
    (code,) = re.findall(r'^```python\n(""".*?)^```', text, re.MULTILINE | re.DOTALL)
    file = tmp_path_factory.mktemp("adding") / "tiny.py"
    file.write_text(code, encoding="utf-8")
    return runpy.run_path(str(file))["Tiny"]()


def build(provider: Any, **fields: Any) -> Any:
    messages = [{"role": "user", "content": "hi"}]
    return provider.build_chat({"model": "tiny/m", "messages": messages, **fields}, TARGET, None)


def test_a_stream_cut_at_every_byte_says_the_same(provider: Any) -> None:
    for end in range(len(BODY) + 1):
        call = build(provider, stream=True)
        chunks = [c for batch in call.iter_chunks(iter([BODY[:end], BODY[end:]]), 0) for c in batch]
        said = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
        assert "".join(said) == "Hello."
        assert chunks[-1]["usage"]["total_tokens"] == 5


def test_a_stream_without_its_end_is_an_error(provider: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield BODY[:20]

    with pytest.raises(UpstreamError):
        list(build(provider, stream=True).iter_chunks(pieces(), 0))


def test_what_it_can_not_take_is_told(provider: Any) -> None:
    assert build(provider, seed=1, stop="x", user="u").dropped_params == ["seed", "stop"]
