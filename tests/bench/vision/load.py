"""Requests sent to a service by a process of their own."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from deploy.paths import ROOT


def sent(base: str = "http://vision", **plan: Any) -> dict[str, Any]:
    """What tests.bench.vision.clients measured; raises CalledProcessError if it failed."""
    usual = {"side": 300, "kind": "png", "from": 0, "pictures": 64, "tokens": 64, "stream": False, "noise": False}
    asked = json.dumps({**usual, **plan, "base": base}, default=str)
    command = [sys.executable, "-m", "tests.bench.vision.clients"]
    done = subprocess.run(command, cwd=ROOT, input=asked, text=True, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]
