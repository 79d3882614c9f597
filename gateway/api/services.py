"""What the views work with, put together by the application and handed to them by Flask.

Knows the parts by their types only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from flask import current_app

from gateway.accounts.keys import KeyRing
from gateway.config.settings import Settings
from gateway.inference import Catalog, Inference

EXTENSION = "gateway"


@dataclass(frozen=True)
class Services:
    """The collaborators of the API. ``check_store`` raises where the shared state is away."""

    settings: Settings
    key_ring: KeyRing
    inference: Inference
    catalog: Catalog
    check_store: Callable[[], None]


def services() -> Services:
    """Return the services of the application that serves the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
