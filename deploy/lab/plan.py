"""Which hosts a lab is to have, given those it has and what was asked."""

from collections.abc import Mapping, Sequence


def wanted(existing: Mapping[str, str], hosts: int | None, releases: Sequence[str]) -> dict[str, str]:
    """Host names to Debian releases.

    `hosts` None keeps as many as there are (at least one, and one a release asked for). With no `releases` a host
    that exists keeps its own and a new one is bookworm; with several they take turns: lab1, lab2, ...
    """
    count = hosts if hosts is not None else max(len(existing), len(releases), 1)
    names = [f"lab{number}" for number in range(1, count + 1)]
    if releases:
        return {name: releases[index % len(releases)] for index, name in enumerate(names)}
    return {name: existing.get(name, "bookworm") for name in names}
