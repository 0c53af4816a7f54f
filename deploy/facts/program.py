"""Our modules as one program for a host's `python3 -`: nothing is copied to the host and nothing stays on it."""

import ast
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_OURS = ("deploy.", "service.ledger.")
_LOADER = """import json, sys, types
for name, source in json.loads({modules!r}).items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
sys.modules[{entry!r}].main(*json.loads({arguments!r}))
"""


def self_contained(entry: str, *arguments: Any) -> str:
    """The text of a program that calls `main(*arguments)` of the module `entry`; the arguments travel as JSON.

    The modules of ours that it imports (`from deploy.a.b import c`, the ledger's too) come along; the rest is the
    standard library's.
    """
    return _LOADER.format(modules=json.dumps(_modules(entry)), entry=entry, arguments=json.dumps(arguments))


@cache
def _modules(entry: str) -> dict[str, str]:
    """Names and sources of a module and those it needs, each after what it needs."""
    spec = find_spec(entry)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{entry} is no module of ours")
    source = Path(spec.origin).read_text(encoding="utf-8")
    needed: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_OURS):
            needed |= _modules(node.module)
    return {**needed, entry: source}
