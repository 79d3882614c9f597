"""Having a provider load a model before anybody asks it.

Knows backends and how to wait. Must not know how any provider loads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.errors import GatewayError, InvalidRequestError
from gateway.inference.attempt import Backends
from gateway.inference.redaction import redact_error
from gateway.routing import resolve_target
from gateway.transport import UnexpectedStatusError, open_watch

REPORT_SECONDS = 1.0


def iter_warm(backends: Backends, name: str) -> Iterator[float]:
    """Load the first target of the model called ``name``; yield the seconds waited, every second.

    Ends once it is loaded. Raises ``InvalidRequestError`` where the provider has no
    models to load, and ``GatewayError`` where it refuses or can't.
    """
    target = resolve_target(backends.settings, name)
    provider = backends.providers[target.provider.name]
    request = provider.build_warm(target)
    if request is None:
        raise InvalidRequestError(
            f"{target.provider.name} is a provider of kind {target.provider.kind}, "
            "where no model has to be loaded."
        )
    load_timeout = target.provider.load_timeout
    began = time.monotonic()
    watch = open_watch(load_timeout + target.provider.timeouts.connect)
    try:
        upstream = backends.upstreams[target.provider.name]
        exchange = upstream.send(request, watch, load_timeout)
        try:
            watch.next_ping = time.monotonic() + REPORT_SECONDS
            for piece in exchange.iter_pieces():
                if not piece:
                    watch.next_ping = time.monotonic() + REPORT_SECONDS
                    yield time.monotonic() - began
        finally:
            exchange.close()
    except UnexpectedStatusError as error:
        mapped = provider.parse_error(error.status, error.headers, error.body, target)
        raise redact_error(mapped, target.provider) from error
    except GatewayError as error:
        raise redact_error(error, target.provider) from error
    finally:
        watch.close()
