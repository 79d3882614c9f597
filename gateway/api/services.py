"""What the views work with, put together by the application and handed to them by Flask.

Knows the parts by their types only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from flask import current_app, g

from gateway.accounts.keys.service import Accounts
from gateway.accounts.responses.stored_responses import StoredResponses
from gateway.accounts.store.probe import Probe
from gateway.config.settings import Settings
from gateway.inference import Catalog, Inference, Targets
from gateway.inference.charging import Charging
from gateway.resilience.idempotency import Idempotency

EXTENSION = "gateway"


@dataclass(frozen=True)
class Services:
    """The collaborators of the API.

    ``check_store`` raises where the shared state is away; False: each machine counts by itself.
    ``ledger_is_writable`` tells whether requests can be written down now.
    """

    settings: Settings
    accounts: Accounts
    inference: Inference
    catalog: Catalog
    idempotency: Idempotency
    check_store: Callable[[], bool]
    targets: Targets
    charging: Charging
    stored_responses: StoredResponses
    database_probe: Probe
    ledger_is_writable: Callable[[], bool]


class Configuration(Protocol):
    """The configuration in force: see ``gateway.reload.LiveConfiguration``."""

    @property
    def current(self) -> Services: ...

    @property
    def version(self) -> int: ...

    def follow(self) -> None: ...

    def reload(self) -> int: ...


def configuration() -> Configuration:
    """Return the configuration of the application that serves the current request."""
    return cast(Configuration, current_app.extensions[EXTENSION])


def services() -> Services:
    """Return the services of the current request: to its end those it began with."""
    held: Services = g.services
    return held


def hold_services() -> None:
    """Let the current request have the services in force now."""
    live = configuration()
    live.follow()
    g.services = live.current
