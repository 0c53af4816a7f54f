"""`python3 -m service.gate`: CASEMATE_GATE_KEYS, CASEMATE_GATE_SOCKET and CASEMATE_GATE_LOG say where things lie."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import uvicorn

from service.gate.application import Gate
from service.gate.refusals import Refusals
from service.gate.register import Register
from service.ledger import Ledger


def main() -> int:
    """Serve until SIGTERM. Exit 0: stopped as told; 2: a variable is missing."""
    names = ("CASEMATE_GATE_KEYS", "CASEMATE_GATE_SOCKET", "CASEMATE_GATE_LOG")
    if missing := [name for name in names if not os.environ.get(name)]:
        print(f"{', '.join(missing)}: missing, expected the path of a file", file=sys.stderr)
        return 2
    keys, socket, log = (Path(os.environ[name]) for name in names)
    # uvicorn raises the signal again once it has stopped; by default that would be a death, not an exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    gate = Gate(Register(keys), Refusals(Ledger(log)))
    uvicorn.run(
        gate,
        uds=str(socket),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # Nginx keeps an idle connection for 60 s and must not meet one that was just closed.
        timeout_graceful_shutdown=5,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
