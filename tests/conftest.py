"""What all tests share: loopback only, and no skips where none are allowed."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

NO_SKIP = os.environ.get("GATEWAY_TEST_NO_SKIP") == "1"

# A busy machine is no failure: pytest's timeout is the only deadline. CI tries the same
# examples each time, so that it tells of the change and not of luck; elsewhere they are new.
settings.register_profile(
    "gateway",
    deadline=None,
    derandomize=NO_SKIP,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gateway")


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Generator[None]:
    """Fail every connection of the tests' own process to anywhere but this machine."""
    connect = socket.socket.connect

    def connect_to_loopback(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_to_loopback)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, which installs everything the tests use."""
    report = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which GATEWAY_TEST_NO_SKIP forbids: {report.longrepr}"
    return report
