"""Where what may wait is run, so that nobody else has to wait with it.

Knows gevent's threads and time-outs. Must not know what is waited for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

_READING_THREADS = 4
_Result = TypeVar("_Result")


class TooSlowError(Exception):
    """The job was not done in time. It may be done later."""


class Waiter(Protocol):
    """Runs jobs that may wait."""

    def run(self, job: Callable[[], _Result], seconds: float, *, writes: bool) -> _Result:
        """Return what ``job`` returns, or raise what it raises, ``TooSlowError`` after ``seconds``.

        Jobs that write wait for each other, and don't keep those that read waiting.
        """


def build_waiter(*, in_threads: bool) -> Waiter:
    """Return the waiter for this process; with gevent, ``in_threads`` that gevent does not see."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("socket"):
        return DirectWaiter()
    return ThreadWaiter() if in_threads else GreenWaiter()


class DirectWaiter:
    """For servers with plain threads, and the command line: the caller itself waits.

    The database's own time-outs hold alone.
    """

    def run(self, job: Callable[[], _Result], seconds: float, *, writes: bool) -> _Result:
        """See ``Waiter.run``."""
        return job()


class GreenWaiter:
    """For jobs that wait by gevent's means: the greenlet itself waits, and is interrupted."""

    def run(self, job: Callable[[], _Result], seconds: float, *, writes: bool) -> _Result:
        """See ``Waiter.run``."""
        from gevent import Timeout

        timeout = Timeout(seconds)
        with timeout:
            try:
                return job()
            except BaseException as error:
                # A driver that is interrupted may raise what it stumbles over on its way out.
                if timeout.pending:
                    raise
                raise TooSlowError(f"no answer within {seconds:g} s") from error


class ThreadWaiter:
    """For jobs that would stop the whole process: system threads run them, one those that write."""

    def __init__(self) -> None:
        from gevent.threadpool import ThreadPool

        self._readers = ThreadPool(_READING_THREADS)
        self._writer = ThreadPool(1)

    def run(self, job: Callable[[], _Result], seconds: float, *, writes: bool) -> _Result:
        """See ``Waiter.run``; a job that is too late to begin is not done any more."""
        from gevent import Timeout

        is_abandoned = False

        def run() -> tuple[_Result | None, BaseException | None]:
            # gevent would write what is raised here to the standard error, too.
            try:
                if is_abandoned:
                    raise TooSlowError("nobody waits any more")
                return job(), None
            except BaseException as error:
                return None, error

        timeout = Timeout(seconds)
        with timeout:
            try:
                # Waits for a free thread; then its result is waited for.
                pending = (self._writer if writes else self._readers).spawn(run)
                result, error = pending.get()
            except Timeout as late:
                if late is not timeout:
                    raise
                is_abandoned = True
                raise TooSlowError(f"no answer within {seconds:g} s") from late
        if error is not None:
            raise error
        return cast(_Result, result)
