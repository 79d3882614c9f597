"""The periods of budgets: days, weeks and months of the calendar, in UTC.

Knows the calendar. Must not know what is budgeted.
"""

from __future__ import annotations

import calendar
import datetime
from typing import NamedTuple

DAY = 86400


class Span(NamedTuple):
    """A period by name, with its first moment and the first after it, in Unix seconds.

    ``end`` is None for all time.
    """

    name: str
    start: int
    end: int | None


def current_span(per: str, now: float) -> Span:
    """Return the ``day``, ``week`` (from Monday), ``month`` or ``total`` that ``now`` is in."""
    if per == "total":
        return Span("total", 0, None)
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    if per == "day":
        first, days, name = today, 1, today.isoformat()
    elif per == "week":
        first, days = today - datetime.timedelta(days=today.weekday()), 7
        name = "{}-W{:02}".format(*today.isocalendar()[:2])
    else:
        first = today.replace(day=1)
        days, name = calendar.monthrange(today.year, today.month)[1], first.strftime("%Y-%m")
    start = calendar.timegm(first.timetuple())
    return Span(name, start, start + days * DAY)
