"""How often the micro model is right."""

import json
import subprocess

from deploy.paths import ROOT
from tests.bench.figure import Figure, at_least


def micro_accuracy() -> list[Figure]:
    """Right answers on freshly drawn pictures that training never saw."""
    command = [".venv/bin/python", "-m", "service.micro.evaluate", "--json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [at_least("micro-accuracy", json.loads(done.stdout)["right"], "share", 0.98)]
