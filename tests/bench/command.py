"""Running commands and taking their time."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from deploy.paths import ROOT


def timed(*command: str, **environment: str) -> float:
    """Seconds that a command took; raises CalledProcessError when it failed. Its output goes to standard error."""
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr, env={**os.environ, **environment})
    return time.monotonic() - started


def casemate(*arguments: str) -> float:
    """Seconds that a casemate verb took."""
    return timed(".venv/bin/casemate", *arguments)


def casemate_json(*arguments: str) -> Any:
    """What a casemate verb printed with --json."""
    done = subprocess.run([".venv/bin/casemate", *arguments, "--json"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)
