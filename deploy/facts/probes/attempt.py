"""All attempts, made inside a throwaway container: this is the program that it runs."""

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.facts.probes.reach import Attempt, ended, named, ping, resolve, routes, tcp
from deploy.facts.probes.syscalls import syscalls

LIFETIME = 40
"""Seconds after which this program ends by itself, whoever started it."""


def write(directories: list[str]) -> Attempt:
    """A new file in each directory, removed at once."""
    outcomes: Attempt = {}
    for directory in directories:
        path = Path(directory, f".casemate-probe-{os.getpid()}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            path.unlink()
            outcomes[directory] = ended(True, "written")
        except OSError as error:
            outcomes[directory] = ended(False, named(error.errno or 0))
    return outcomes


def main() -> None:
    """Make the attempts that the first argument asks for, as JSON, and print their outcomes as one line."""
    signal.alarm(LIFETIME)
    wanted = json.loads(sys.argv[1])
    if wanted.get("wait"):
        time.sleep(LIFETIME)
    # The system calls first: they are made in forked processes, and a process with threads should not fork.
    outcomes = {"syscalls": syscalls(), "routes": routes(wanted["routes"]), "writes": write(wanted["writes"])}
    seconds = wanted["seconds"]
    with ThreadPoolExecutor() as pool:
        slow = {
            "host_tcp": pool.submit(tcp, wanted["host_tcp"], seconds),
            "neighbours": pool.submit(tcp, wanted["neighbours"], seconds),
            "resolver": pool.submit(resolve, wanted["resolver"], wanted["canary"], seconds),
            "icmp": pool.submit(ping, wanted["icmp"], seconds),
        }
        outcomes |= {name: future.result() for name, future in slow.items()}
    print(json.dumps(outcomes), flush=True)
