"""The use cases: resolve a model, ask its provider, read the answer.

Knows settings, providers and exchanges. Must not know any one provider's or
dialect's format, nor HTTP frameworks.
"""

from gateway.inference.asked import Asked
from gateway.inference.attempt import Backends
from gateway.inference.catalog import Catalog
from gateway.inference.chat import ChatAnswer
from gateway.inference.loading import Loading
from gateway.inference.passing import PassedAnswer
from gateway.inference.places import Places
from gateway.inference.service import Inference, Resilience
from gateway.inference.targets import Targets

__all__ = [
    "Asked",
    "Backends",
    "Catalog",
    "ChatAnswer",
    "Inference",
    "Loading",
    "PassedAnswer",
    "Places",
    "Resilience",
    "Targets",
]
