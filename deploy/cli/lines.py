"""Lines of a chained log for a person at a terminal."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_CHAIN = ("seq", "time", "prev", "mac", "event")


def fields_of(line: str) -> dict[str, Any]:
    """The fields of a line; of one that is damaged, the line itself."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else {"damaged": line}


def text_of(line: str) -> dict[str, Any]:
    """A line of a log that is text."""
    return {"text": line}


def without_ended(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One host's lines, but for those that only tell how an answer began whose end is among them."""
    ended = {str(fields.get("request")) for fields in lines if fields.get("event") == "request"}
    return [fields for fields in lines if fields.get("event") != "begun" or str(fields.get("request")) not in ended]


def row(host: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """A line as a row; of a request the columns that one looks for, of anything else all that it says."""
    if fields.get("event") in ("request", "begun"):
        what = _request(fields)
    else:
        what = _access(fields) if "request_id" in fields else _other(fields)
    return {
        "host": host,
        "time": shown(str(fields.get("time", ""))[:19]),
        **{key: shown(text) for key, text in what.items()},
    }


def shown(text: str) -> str:
    """Without characters that steer a terminal: who can write into a log must not be able to write on the screen."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _request(fields: Mapping[str, Any]) -> dict[str, str]:
    seconds = fields.get("seconds")
    return {
        "who": f"{fields.get('principal') or '-'} {fields.get('client') or '-'}",
        "what": f"{fields.get('method')} {fields.get('route') or '-'}",
        "status": str(fields.get("status", "-")),
        "end": "begun" if fields["event"] == "begun" else str(fields.get("reason") or fields.get("finish") or "-"),
        "tokens": f"{fields.get('tokens_in')} > {fields.get('tokens_out', '-')}",
        "seconds": str(seconds.get("total", "-") if isinstance(seconds, dict) else "-"),
    }


def _access(fields: Mapping[str, Any]) -> dict[str, str]:
    return {
        "who": f"{fields.get('principal') or '-'} {fields.get('client') or '-'}",
        "what": f"{fields.get('method') or '-'} {fields.get('path') or '-'}",
        "status": str(fields.get("status") or "-"),
        "end": str(fields.get("reason") or "-"),
        "tokens": "-",
        "seconds": str(fields.get("seconds", "-")),
    }


def _other(fields: Mapping[str, Any]) -> dict[str, str]:
    if "text" in fields:
        return {**dict.fromkeys(("who", "status", "end", "tokens", "seconds"), "-"), "what": str(fields["text"])}
    said = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _CHAIN and value is not None)
    return {
        "who": str(fields.get("key_id") or fields.get("by") or "-"),
        "what": f"{fields.get('event') or 'line'}: {said[:160]}",
        "status": str(fields.get("status") or "-"),
        "end": str(fields.get("reason") or "-"),
        "tokens": "-",
        "seconds": "-",
    }
