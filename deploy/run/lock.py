"""The deploy lock: one run at a time a host, and a second one is told who holds it.

The lock is a flock held by a small shell on the host whose standard input is a channel of the run's own SSH connection.
If the run ends in any way its input ends, and the kernel releases the lock: there is no stale lock to remove. A
connection that dies without a word is noticed by the missing heartbeat.
"""

import getpass
import json
import shlex
import socket
import sys
from datetime import UTC, datetime
from typing import Any

import gevent
from paramiko import SSHException

from deploy.errors import CasemateError
from deploy.facts.shell import ask, no_root, raw
from deploy.run import round_trips

_KEY = "casemate.lock"
HEARTBEAT_SECONDS = 15
_HOLD = """
mkdir -p /run/casemate && chmod 0755 /run/casemate
exec 9<>/run/casemate/deploy.lock
if ! flock -n 9; then echo "held $(head -c 1000 /run/casemate/deploy.lock)"; exit 75; fi
printf '%s\\n' "$1" >/run/casemate/deploy.lock
echo locked
while read -t {patience} -r _; do :; done
: >/run/casemate/deploy.lock
"""


def hold(host: Any, run: str) -> None:
    """Take the host's lock and keep it until the connection ends; raises CasemateError naming the holder."""
    if held(host):
        return
    holder = json.dumps(
        {
            "run": run,
            "by": f"{getpass.getuser()}@{socket.gethostname()}",
            "since": datetime.now(UTC).isoformat("T", "seconds"),
        }
    )
    round_trips.one(host)
    script = _HOLD.format(patience=4 * HEARTBEAT_SECONDS)
    if host.data.get("_sudo") and sys.stdin.isatty():
        # Where sudo wants a password, this lets pyinfra ask for it: a channel of our own cannot.
        ask(host, "true")
    try:
        stdin, stdout, stderr = host.connector.client.exec_command(
            raw(host, "bash", "-c", shlex.quote(script), "casemate-lock", shlex.quote(holder))
        )
        said = stdout.readline().strip()
    except (OSError, SSHException, EOFError) as error:
        raise CasemateError(f"{host.name}: the SSH connection broke: {error}", next="the same command again") from error
    if said != "locked":
        raise _refused(host, said or stderr.read().decode(errors="replace").strip())
    host.connector_data[_KEY] = stdin
    gevent.spawn(_beat, stdin)


def held(host: Any) -> bool:
    """Does this run hold the host's lock?"""
    return _KEY in host.connector_data


def _refused(host: Any, said: str) -> CasemateError:
    if said.startswith("sudo:"):
        return no_root(host)
    if not said.startswith("held "):
        return CasemateError(
            f"{host.name}: the deploy lock could not be taken: {said}", next="look at /run/casemate there"
        )
    try:
        holder = json.loads(said.removeprefix("held "))
        who = f"{holder['by']} (run {holder['run']}, since {holder['since']})"
    except (ValueError, KeyError):
        who = "another run that just began"
    return CasemateError(
        f"{host.name}: a deploy is under way by {who}", next="wait until it ends, then the same command again"
    )


def _beat(stdin: Any) -> None:
    # Nothing after its end was sent: paramiko would try that for ever, and let nobody else run meanwhile.
    while not (stdin.channel.closed or stdin.channel.eof_sent):
        try:
            stdin.write("\n")
            stdin.flush()
        except (OSError, EOFError, SSHException):
            return
        gevent.sleep(HEARTBEAT_SECONDS)


def release(host: Any) -> None:
    """Let go; also happens by itself when the connection ends."""
    stdin = host.connector_data.pop(_KEY, None)
    if stdin is not None:
        stdin.channel.shutdown_write()
        # The lock is free when the shell has ended, not when its input has.
        stdin.channel.recv_exit_status()
