"""What tokens cost: as configured, else as a dated table says, else unknown.

Knows the table ``prices.json`` (see ``scripts/build_prices.py``) and how money is
counted: in whole nano-dollars, with prices in whole pico-dollars a token. Must not
know HTTP or budgets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.config.settings import Price, ProviderSettings, Target

NANO = 10**9
"""Nano-dollars in a dollar."""

FREE_KINDS = frozenset({"ollama", "demo", "vllm", "sglang", "llamacpp", "lmstudio", "localai"})
"""Kinds of provider that run on one's own machines: free unless a price is configured."""

MOST_COST = 1_000_000 * NANO
"""More than any request costs, in nano-dollars: so sums fit in the 64 bits of tables."""

_PICO_PER_MILLION = 10**6
_TABLE = Path(__file__).with_name("prices.json")
_PROVIDERS_OF_KINDS = {
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "xai": "x-ai",
    "moonshot": "moonshotai",
    "zhipu": "zhipuai",
    "bedrock-mantle": "aws",
}
"""The table's names of providers whose kind has another name here."""

_DATED = re.compile(r"-(20\d{2})(\d{2})(\d{2})$")
_MOST_KNOWN = 1024


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Pico-dollars a token; ``above`` holds for all tokens of prompts beyond ``threshold``."""

    input: int
    output: int
    cached: int
    cache_write: int
    threshold: int = 0
    above: TokenPrice | None = None

    def cost(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> int:
        """Return nano-dollars; ``cached`` and ``written`` (to a cache) are parts of ``prompt``."""
        if self.above is not None and prompt > self.threshold:
            return self.above.cost(prompt, completion, cached, written)
        cached = min(cached, prompt)
        written = min(written, prompt - cached)
        pico = (prompt - cached - written) * self.input + completion * self.output
        pico += cached * self.cached + written * self.cache_write
        return min((pico + 500) // 1000, MOST_COST)

    def bound(self, prompt: int, completion: int) -> int:
        """Return the most that so many tokens can cost, in nano-dollars."""
        dearest = max(self.input, self.cache_write)
        own = min(-(-(prompt * dearest + completion * self.output) // 1000), MOST_COST)
        if self.above is None or prompt <= self.threshold:
            return own
        return max(own, self.above.bound(prompt, completion))


FREE = TokenPrice(0, 0, 0, 0)


class Prices:
    """The prices of targets; what the table says of a provider is loaded when first asked for."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], TokenPrice | None] = {}

    def price_of(self, target: Target) -> TokenPrice | None:
        """Return what a target's tokens cost, None where that is not known."""
        configured = target.settings.price or target.provider.model_settings(target.model).price
        if configured is not None:
            return _configured(configured)
        provider = target.provider
        if provider.kind in FREE_KINDS:
            return FREE
        key = (provider.kind, provider.base_url, target.model)
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:  # clients name models
                self._known.clear()
            self._known[key] = find_price(provider, target.model)
        return self._known[key]


def find_price(provider: ProviderSettings, model: str) -> TokenPrice | None:
    """Return what the table has for a provider's model: by its address, else by its kind."""
    name = model.lower()
    for entry in _entries(provider.kind, provider.base_url):
        row = _find_row(entry, name) or _find_row(entry, _DATED.sub(r"-\1-\2-\3", name))
        if row is not None:
            return _from_row(row)
    return None


def _to_pico(usd_per_million: float | Decimal) -> int:
    """Return pico-dollars a token, exact for what is written with up to six decimals."""
    return int((Decimal(str(usd_per_million)) * _PICO_PER_MILLION).to_integral_value())


@lru_cache(maxsize=256)
def _configured(price: Price) -> TokenPrice:
    cached = price.input if price.cached_input is None else price.cached_input
    return TokenPrice(
        _to_pico(price.input), _to_pico(price.output), _to_pico(cached), _to_pico(price.input)
    )


@lru_cache(maxsize=64)
def _entries(kind: str, base_url: str) -> tuple[Mapping[str, Any], ...]:
    providers: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))["providers"]
    named = _PROVIDERS_OF_KINDS.get(kind, kind)
    found = [each for each in providers.values() if re.match(each["url"], base_url)]
    if not found and named in providers:
        found = [providers[named]]
    return (*found, *(providers[other] for entry in found for other in entry["also"]))


def _find_row(entry: Mapping[str, Any], name: str) -> Sequence[float | None] | None:
    row: Sequence[float | None] | None = entry["exact"].get(name)
    if row is not None:
        return row
    return next((rest for pattern, *rest in entry["patterns"] if re.search(pattern, name)), None)


def _from_row(row: Sequence[float | None]) -> TokenPrice | None:
    base = _four(row[:4])
    if base is None or len(row) == 4:
        return None if base is None else TokenPrice(*base)
    above = _four(row[5:])
    return TokenPrice(*base, int(row[4] or 0), None if above is None else TokenPrice(*above))


def _four(row: Sequence[float | None]) -> tuple[int, int, int, int] | None:
    """Return the four prices; what is only told of prompts that nobody pays by token is unknown."""
    given, output, cached, written = row
    if given is None:
        return None
    return (
        _to_pico(given),
        _to_pico(output or 0),
        _to_pico(given if cached is None else cached),
        _to_pico(given if written is None else written),
    )
