"""Baselines: fetched from a host, looked at, signed here, and kept here."""

import gzip
import hashlib
import json
import shlex
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from deploy import paths
from deploy.errors import CasemateError
from deploy.facts.shell import ask
from deploy.host_paths import HOST_STATE
from deploy.private import make_private
from deploy.release.digests import write
from deploy.release.signature import BASELINE, sign, verify
from deploy.run.sentinel import asked, refused
from deploy.settings.release import ReleaseSettings
from service.sentinel.entry import Entry, differences
from service.sentinel.written import from_fields


@dataclass(frozen=True)
class Baseline:
    """What a host calls its baseline: its lines (`content`, gzipped), what is signed of them, and the signature."""

    content: bytes
    document: bytes
    signature: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The signed document: schema, host, sequence, sha256, entries."""
        return dict(json.loads(self.document))

    @property
    def header(self) -> dict[str, Any]:
        """Its first line: sequence, made, run, reason, by; empty where somebody wrote over it."""
        try:
            return dict(json.loads(gzip.decompress(self.content).partition(b"\n")[0]))
        except (OSError, EOFError, ValueError, TypeError):
            return {}

    def entries(self) -> dict[str, Entry]:
        """By path, as the host wrote it. Raises CasemateError for what cannot be read."""
        try:
            lines = gzip.decompress(self.content).splitlines()[1:]
            return {fields["path"]: from_fields(fields) for fields in map(json.loads, lines)}
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise CasemateError(
                f"baseline {self.said['sequence']} cannot be read: {error!r}", next="casemate baseline show INVENTORY"
            ) from error

    def whole(self) -> bool:
        """Are these the lines that the document is about?"""
        try:
            return hashlib.sha256(gzip.decompress(self.content)).hexdigest() == self.said["sha256"]
        except (OSError, EOFError, ValueError):
            return False

    @classmethod
    def of_host(cls, host: Any) -> Self:
        """As it lies there, whether or not the sentinel runs; its signature may be empty. Raises CasemateError."""
        read = "; ".join(f"echo {name}:$(base64 -w0 {_THERE}/{name} 2>/dev/null)" for name in _NAMES)
        answer = ask(host, "sh", "-c", shlex.quote(read))
        told = dict(line.split(":", 1) for line in answer.out if line.startswith("baseline."))
        found = cls(*(b64decode(told.get(name, "")) for name in _NAMES))
        if not found.content or not found.document:
            raise refused(host, "there is no baseline yet")
        return found

    def kept_before(self, inventory: str, host: str) -> Self | None:
        """The last one of this machine that was signed here; one set up anew under its name has another host key."""
        found = self.kept(inventory, host)
        return found if found and found.said["host"] == self.said["host"] else None

    @classmethod
    def kept(cls, inventory: str, host: str) -> Self | None:
        """The last one that was signed here; None without one."""
        folder = folder_of(inventory, host)
        try:
            return cls(*((folder / name).read_bytes() for name in _NAMES))
        except FileNotFoundError:
            return None


_NAMES = ("baseline.jsonl.gz", "baseline.json", "baseline.sig")
_THERE = f"{HOST_STATE}/sentinel"


def folder_of(inventory: str, host: str) -> Path:
    """Where the copies of a host's baseline are kept."""
    return paths.STATE / "baselines" / Path(inventory).stem / host


def changed(before: Baseline, after: Baseline) -> list[str]:
    """The paths about which two baselines say something else, times aside."""
    one, other = before.entries(), after.entries()
    shared = {path for path in one.keys() & other.keys() if differences(one[path], other[path])}
    return sorted(shared | (one.keys() ^ other.keys()))


def sign_and_keep(
    host: Any, inventory: str, settings: ReleaseSettings, plan: Sequence[Mapping[str, Any]] | None = None
) -> Baseline:
    """Sign the host's newest baseline, and keep a copy. Raises CasemateError where it is not to be believed.

    `plan`: what led to it; None: whatever it says was looked at by the operator.
    """
    found = Baseline.of_host(host)
    before = found.kept_before(inventory, host.name)
    if not found.whole():
        raise refused(host, "its baseline is not the one that its own document is about; it is not signed")
    if before and before.said["sequence"] > found.said["sequence"]:
        raise refused(
            host,
            f"its baseline is number {found.said['sequence']}, number {before.said['sequence']} was signed before:"
            " somebody put an old one back; it is not signed",
        )
    strange = [path for path in changed(before, found) if not _announced(path, plan)] if before and plan else []
    if strange:
        raise CasemateError(
            f"{host.name}: the new baseline says something else than the last one signed here about {strange[0]}"
            f"{f' and {len(strange) - 1} more paths' if strange[1:] else ''}, and this run did not announce that;"
            " it is not signed",
            next="casemate baseline diff INVENTORY; if it is right: casemate baseline accept INVENTORY --all",
        )
    signature = sign(found.document, settings, BASELINE)
    asked(host, "baseline", "sign", signature=signature.decode())
    signed = Baseline(found.content, found.document, signature)
    keep(signed, inventory, host.name)
    return signed


def _announced(path: str, plan: Sequence[Mapping[str, Any]]) -> bool:
    """By its own name, as part of what goes, or by packages: which files are theirs is not known here."""
    above = {path, *map(str, PurePosixPath(path).parents)}
    return any(
        "packages" in item or item.get("path") == path or (item.get("removed") and item["path"] in above)
        for item in plan
    )


def keep(baseline: Baseline, inventory: str, host: str) -> None:
    """The copy: it is what a host's own is held against when somebody has been root there."""
    folder = folder_of(inventory, host)
    make_private(folder)
    for name, content in zip(_NAMES, (baseline.content, baseline.document, baseline.signature), strict=True):
        write(folder / name, content)


def signed_by_operator(baseline: Baseline, settings: ReleaseSettings) -> bool:
    """Does its signature hold, by this operator's key?"""
    try:
        verify(baseline.document, baseline.signature, settings, BASELINE)
    except CasemateError:
        return False
    return baseline.whole()
