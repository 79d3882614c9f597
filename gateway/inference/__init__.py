"""The use cases: resolve a model, ask its provider, read the answer.

Knows settings, providers and exchanges. Must not know any one provider's or
dialect's format, nor HTTP frameworks.
"""

from gateway.inference.catalog import Catalog
from gateway.inference.service import Asked, ChatAnswer, Inference

__all__ = ["Asked", "Catalog", "ChatAnswer", "Inference"]
