"""The store that a command works on, and how a command ends that could not be done.

Knows where the store is configured. Must not know what is done with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from gateway.config.load import load_environment
from gateway.config.settings import Settings
from gateway.config.sources import read_sources
from gateway.errors import ConfigurationError, GatewayError, ServiceUnavailableError

if TYPE_CHECKING:
    from gateway.accounts.keys.key_store import KeyStore
    from gateway.accounts.keys.tenant_store import TenantStore

EXIT_REFUSED = 1
EXIT_WRONG_CONFIGURATION = 2
EXIT_UNAVAILABLE = 3


class Stores(NamedTuple):
    """Stored keys and tenants; what is changed is announced to running gateways."""

    keys: KeyStore
    tenants: TenantStore


@contextmanager
def open_stores() -> Iterator[Stores]:
    """Yield the configured stores; a command that fails meanwhile says why and exits."""
    from gateway.accounts.keys.key_store import KeyStore
    from gateway.accounts.keys.tenant_store import TenantStore
    from gateway.accounts.keys.versions import Announcements
    from gateway.accounts.store.database import Database
    from gateway.state import STATE_NAME, open_state

    with exits():
        settings = load_own_settings()
        database = Database(settings.database_url)
        state = open_state(settings.data_directory / STATE_NAME, redis_url=settings.redis_url)
        announcements = Announcements(state)
        try:
            database.prepare()
            yield Stores(KeyStore(database, announcements), TenantStore(database, announcements))
        finally:
            database.close()
            state.close()


@contextmanager
def exits() -> Iterator[None]:
    """Turn errors into a sentence and an exit code."""
    try:
        yield
    except ConfigurationError as error:
        fail(str(error), EXIT_WRONG_CONFIGURATION)
    except ServiceUnavailableError as error:
        fail(error.message, EXIT_UNAVAILABLE)
    except GatewayError as error:
        fail(error.message, EXIT_REFUSED)


def load_own_settings() -> Settings:
    """Return the settings of the environment; raises ``ConfigurationError``."""
    return load_environment(read_sources())


def fail(message: str, code: int = EXIT_REFUSED) -> NoReturn:
    """Say what went wrong and exit."""
    click.echo(message, err=True)
    sys.exit(code)
