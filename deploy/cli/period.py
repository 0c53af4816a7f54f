"""A moment as an operator types it: 24h ago, or 2026-11-23T08:00."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[datetime]):
    """Becomes a datetime in UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """As click asks for it; a time without a zone is UTC."""
        if isinstance(value, datetime):
            return value
        if ago := _AGO.fullmatch(value):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"got {value}, expected an age such as 30m, 24h or 7d, or a time such as 2026-11-23T08:00")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
