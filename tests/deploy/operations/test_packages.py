"""Packages are installed once, quietly."""

from typing import Any

from deploy.operations.packages import installed


def test_only_what_is_missing_is_installed(commands: Any) -> None:
    have = {"nginx": "1.22"}
    assert commands(installed, {"packages": ["nginx"]}, packages=have) == []
    [command] = commands(installed, {"packages": ["nginx", "zstd"]}, packages=have)
    assert "--no-install-recommends zstd" in command
    assert "nginx" not in command


def test_daemons_are_not_started_by_their_installation(commands: Any) -> None:
    [command] = commands(installed, {"packages": ["docker.io"]})
    assert command.index("policy-rc.d") < command.index("install --no-install-recommends")
