"""Where a request may go: routes, their targets in order, and who is able to answer.

Knows settings and requests. Must not know providers' formats, nor how anything is sent.
"""

from gateway.routing.needs import Needs, able_targets, can_serve, needs_model_info, needs_of
from gateway.routing.order import Latency, order_targets
from gateway.routing.permission import may_use, require_model
from gateway.routing.request import build_target_request
from gateway.routing.resolve import Route, resolve_route, resolve_target

__all__ = [
    "Latency",
    "Needs",
    "Route",
    "able_targets",
    "build_target_request",
    "can_serve",
    "may_use",
    "needs_model_info",
    "needs_of",
    "order_targets",
    "require_model",
    "resolve_route",
    "resolve_target",
]
