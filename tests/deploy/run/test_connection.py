"""What is known of a host that answered."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko

from deploy.run.connection import host_key


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
