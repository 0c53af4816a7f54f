"""A repository is its key and its source, written together and removed together."""

import base64
from typing import Any

from deploy.operations.apt_repository import Repository, apt_repository, sources

REPOSITORY = Repository(
    "https://mirror.example/linux/debian", "trixie", "stable", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
)
KEY, SOURCE = "/etc/apt/keyrings/docker.asc", "/etc/apt/sources.list.d/docker.sources"
FILE = {"sha256": "", "mode": "0644", "owner": "root", "group": "root", "content": "", "target": None}


def test_the_source_believes_the_one_key() -> None:
    assert sources(REPOSITORY, "docker").splitlines() == [
        "Types: deb",
        "URIs: https://mirror.example/linux/debian",
        "Suites: trixie",
        "Components: stable",
        "Architectures: amd64",
        f"Signed-By: {KEY}",
    ]


def test_the_key_is_there_before_the_source(fake_host: Any) -> None:
    fake_host()
    _, key, source = apt_repository._inner(stem="docker", repository=REPOSITORY)
    assert KEY in key.get_raw_value()
    assert SOURCE in source.get_raw_value()
    _, content = key.connector_arguments["_stdin"][0].split("\n", 1)
    assert base64.b64decode(content).decode() == REPOSITORY.key


def test_an_unwanted_repository_goes_with_its_key(commands: Any) -> None:
    files = {KEY: FILE, SOURCE: FILE, "/etc/apt/sources.list.d/debian.sources": FILE}
    found = commands(apt_repository, {"stem": "docker", "repository": None}, files=files)
    assert found == [f"rm -f {SOURCE}", f"rm -f {KEY}"]


def test_where_none_is_wanted_and_none_is_there_nothing_happens(commands: Any) -> None:
    assert commands(apt_repository, {"stem": "docker", "repository": None}) == []
