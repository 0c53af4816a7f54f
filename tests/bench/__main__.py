"""python -m tests.bench [NAME...]: measure, print a table, write build/bench.json."""

import json
import sys
from dataclasses import asdict

from tabulate import tabulate

from deploy.paths import ROOT
from tests.bench.figure import Figure
from tests.bench.measures import MEASURES


def main(names: list[str]) -> int:
    """Run the named measures, or all; 1 when a goal is missed, 2 for an unknown name."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        print(f"no such measure: {', '.join(unknown)}\nNext: choose among {', '.join(MEASURES)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    file = ROOT / "build" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    for name in names or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr)
        figures += MEASURES[name]()
        # After each: what was measured outlives a measure that fails.
        file.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    print(tabulate([asdict(figure) for figure in figures], headers="keys"))
    return 0 if all(figure.met in (True, None) for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
