"""What a model is known to be able to do, and the refusal of what it can't.

Knows Ollama's capability names. Must not know where they were read.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.settings import Target
from gateway.types import ModelInfo
from gateway.validation.fields import unsupported_value


@dataclass(frozen=True)
class Capabilities:
    """The capabilities of the model a client calls ``model``; ``known`` is None if unknown."""

    model: str
    known: frozenset[str] | None

    def require(self, capability: str, param: str, what: str) -> None:
        """Raise ``InvalidRequestError`` if the model is known to lack ``capability``.

        What isn't known is left to the upstream to judge. ``what`` is the noun
        for the message: "images".
        """
        if self.known is not None and capability not in self.known:
            raise unsupported_value(param, f"The model `{self.model}` does not support {what}.")


def resolve_capabilities(target: Target, info: ModelInfo | None) -> Capabilities:
    """Return what the configuration says, or else what the provider told."""
    known = target.capabilities
    if known is None and info is not None:
        known = info.capabilities
    return Capabilities(target.requested_model, known)
