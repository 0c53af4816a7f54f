"""CEL expressions over what was seen, where "could not see" is an answer of its own."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import celpy
from celpy.celtypes import BoolType, DoubleType

_LARGEST = 2**63 - 1
_SECTION = re.compile(r"\b(host|probe)\.([a-z_]+)")


class Unknown(Exception):
    """The expression has no answer: something that it asks for was not seen. The message says what, and why."""


class BadExpression(Exception):
    """No CEL."""


def prepared(variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`host` and `probe` as CEL values, to be used for many expressions."""
    return {name: celpy.json_to_cel(_in_range(value)) for name, value in variables.items()}


def _in_range(value: Any) -> Any:
    """CEL's integers have 64 bits; Docker and the kernel know larger ones."""
    if isinstance(value, Mapping):
        return {str(key): _in_range(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_range(part) for part in value]
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return float(value)
    return value


def holds(expression: str, variables: Mapping[str, Any]) -> bool:
    """Is it true? Raises Unknown when it is neither true nor false, and when a section that it names was not read."""
    answer = _evaluated(expression, variables)
    if not isinstance(answer, BoolType):
        raise Unknown(f"got {_plain(answer)!r}, expected true or false")
    return bool(answer)


def value(expression: str, variables: Mapping[str, Any]) -> Any:
    """Its value as plain JSON. Raises Unknown as `holds` does."""
    return _plain(_evaluated(expression, variables))


def _evaluated(expression: str, variables: Mapping[str, Any]) -> Any:
    for variable, section in sections(expression):
        seen = variables.get(variable) or {}
        if _in(seen, section) is None:
            why = _in(_in(seen, "errors"), section)
            raise Unknown(f"{section} could not be read: {why or 'it was not looked at'}")
    try:
        return compiled(expression).evaluate(variables)
    except celpy.CELEvalError as error:
        raise Unknown(_short(error)) from error
    except Exception as error:
        # celpy lets Python's own errors through where a value is of a kind that the expression did not expect.
        raise Unknown(f"{type(error).__name__}: {error}") from error


def _in(found: Any, key: str) -> Any:
    """celpy's maps raise where a dict's `get` gives None."""
    return found[key] if isinstance(found, Mapping) and key in found else None


def sections(expression: str) -> list[tuple[str, str]]:
    """What it looks at: ("host", "docker"), ("probe", "icmp"), and so on."""
    return sorted(set(_SECTION.findall(expression)))


@cache
def compiled(expression: str) -> Any:
    """Ready to evaluate; raises BadExpression."""
    try:
        return _environment().program(_environment().compile(expression))
    except celpy.CELParseError as error:
        raise BadExpression(f"{expression}: {error}") from error


@cache
def _environment() -> Any:
    return celpy.Environment()


def _plain(found: Any) -> Any:
    if isinstance(found, BoolType):
        return bool(found)
    if isinstance(found, Mapping):
        return {_plain(key): _plain(part) for key, part in found.items()}
    if isinstance(found, (list, tuple)):
        return [_plain(part) for part in found]
    if isinstance(found, DoubleType):
        return float(found)
    if isinstance(found, int):
        return int(found)
    return None if found is None else str(found)


def _short(error: BaseException) -> str:
    """celpy names the part of the expression that had no value, deep in the text of its error: the shortest one."""
    try:
        text = repr(error)
    except Exception:  # its own printer fails on some expressions
        text = repr(error.args)
    parts = re.findall(r"""tree=(["'])(.*?)\1""", text.replace("\\", ""))
    shortest = min((part for _, part in parts), key=len, default="")
    return f"{shortest} was not seen" if shortest else str(error)
