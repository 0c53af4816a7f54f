"""Being connected to the hosts of an inventory."""

import logging
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pyinfra.api import Config, State
from pyinfra.api.connect import disconnect_all
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state

from deploy.errors import CasemateError
from deploy.facts.observed import Observed, observed
from deploy.run.round_trips import count

_HOST_KEY = "casemate.host_key"
_FINGERPRINT = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


@dataclass
class Connection:
    """A pyinfra state whose active hosts answer; `refused` says of the others why not."""

    state: State
    refused: dict[str, CasemateError] = field(default_factory=dict)

    @property
    def hosts(self) -> list[Any]:
        """Connected hosts, in the inventory's order."""
        active = set(self.state.inventory.get_active_hosts())
        return [host for host in self.state.inventory if host in active]


@contextmanager
def connected(inventory: Any, hosts: Sequence[Any]) -> Iterator[Connection]:
    """Connect to these hosts in parallel, and disconnect at the end whatever happens."""
    _quiet()
    state = State()
    config = Config()
    state.init(inventory, config, initial_limit=list(hosts))
    connection = Connection(state)
    with ctx_state.use(state), ctx_inventory.use(inventory), ctx_config.use(config):
        try:
            state.set_stage(StateStage.Connect)
            greenlets = [(host, state.pool.spawn(_connect, host)) for host in hosts]
            for host, greenlet in greenlets:
                error = greenlet.get()
                if error:
                    connection.refused[host.name] = error
                else:
                    state.activate_host(host)
            state.set_stage(StateStage.Prepare)
            yield connection
        finally:
            disconnect_all(state)
            for host in state.activated_hosts:
                host.connector.client.close()
            ctx_state.reset()
            ctx_inventory.reset()
            ctx_config.reset()


def host_key(host: Any) -> str:
    """The fingerprint of the SSH host key by which a connected host proved itself, as `ssh-keygen -l` shows it.

    Remembered when it connects: what is noted of a run whose connection broke is this host's too.
    """
    known: str | None = host.connector_data.get(_HOST_KEY)
    if known is None:
        key = host.connector.client.get_transport().get_remote_server_key()
        known = f"SHA256:{b64encode(sha256(key.asbytes()).digest()).decode().rstrip('=')}"
        host.connector_data[_HOST_KEY] = known
    return known


def _connect(host: Any) -> CasemateError | None:
    with ctx_host.use(host):
        try:
            host.connect(raise_exceptions=True)
        except ConnectError as error:
            return _refusal(host, str(error))
        except (PyinfraError, OSError, ValueError) as error:
            # Not the network: a key file that is no key, connection data of the wrong type.
            return CasemateError(
                f"{host.name}: the connection cannot be made: {error}",
                next="correct the ssh_ settings in its group data",
            )
    count(host)
    host_key(host)
    return None


def _refusal(host: Any, said: str) -> CasemateError:
    address = host.data.get("ssh_hostname") or host.name
    port = host.data.get("ssh_port")
    way = f"-p {port} {address}" if port else address
    if "No host key for" in said:
        known = host.data.get("ssh_known_hosts_file") or "~/.ssh/known_hosts"
        return CasemateError(
            f"{host.name}: the SSH host key of {address} is not known yet ({said})",
            next=f"ssh-keyscan {way} >> {known}, and compare it with {host.name}'s console: {_FINGERPRINT}",
        )
    if "host key" in said.lower():
        return CasemateError(
            f"{host.name}: the SSH host key of {address} is not the pinned one; another machine may answer ({said})",
            next=f"compare the fingerprint on {host.name}'s console ({_FINGERPRINT})",
        )
    if "Authentication" in said:
        user = host.data.get("ssh_user") or "the SSH user"
        return CasemateError(
            f"{host.name}: {address} refused to let {user} in ({said})",
            next="set ssh_user and ssh_key in its group data",
        )
    return CasemateError(
        f"{host.name}: {address} does not answer ({said})", next=f"see whether it is up: ssh {way} true"
    )


def _quiet() -> None:
    """pyinfra logs what our own progress lines already say; its errors carry what the host said, and stay."""
    log = logging.getLogger("pyinfra")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.ERROR)


def observe_all(connection: Connection) -> dict[str, Observed | CasemateError]:
    """Every host's snapshot, or why there is none, at once."""

    def look(host: Any) -> Observed | CasemateError:
        with ctx_host.use(host):
            try:
                return observed(host)
            except CasemateError as error:
                return error

    greenlets = {host.name: connection.state.pool.spawn(look, host) for host in connection.hosts}
    return {**connection.refused, **{name: greenlet.get() for name, greenlet in greenlets.items()}}
