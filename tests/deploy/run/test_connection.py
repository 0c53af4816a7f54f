"""What is known of a host that answered."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from deploy.run.connection import _refusal, host_key


def test_a_host_key_is_named_as_ssh_keygen_does(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    key = paramiko.Ed25519Key(filename=str(tmp_path / "key"))
    transport = SimpleNamespace(get_remote_server_key=lambda: key)
    client = SimpleNamespace(get_transport=lambda: transport)
    host: Any = SimpleNamespace(connector=SimpleNamespace(client=client), connector_data={})
    assert host_key(host) == shown.stdout.split()[1]
    client.get_transport = lambda: None
    assert host_key(host) == shown.stdout.split()[1], "known, although the connection has broken"


@pytest.mark.parametrize(
    ("said", "what", "following"),
    [
        ("No host key for gpu1 found in known_hosts", "is not known yet", "ssh-keyscan -p 2222 192.0.2.7 >> known"),
        ("Host key for server '192.0.2.7' does not match", "is not the pinned one", "compare the fingerprint"),
        ("Authentication error", "refused to let ops in", "set ssh_user and ssh_key"),
        ("Could not connect", "does not answer", "ssh -p 2222 192.0.2.7 true"),
    ],
)
def test_a_host_that_cannot_be_reached_says_what_to_do(said: str, what: str, following: str) -> None:
    data = {"ssh_hostname": "192.0.2.7", "ssh_port": 2222, "ssh_user": "ops", "ssh_known_hosts_file": "known"}
    error = _refusal(SimpleNamespace(name="gpu1", data=data), said)
    assert error.message.startswith("gpu1: ")
    assert what in error.message
    assert following in error.next
