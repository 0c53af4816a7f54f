"""casemate release: what is built and signed before anything is shipped."""

import sys
import time
from typing import Any

import click

from deploy.cli import options, output
from deploy.cli.group import Group
from deploy.operations.built import built
from deploy.release.signed import Signed, kept_releases, read_signed
from deploy.release.statement import SIGNATURE
from deploy.release.verification import verify_release
from deploy.release.weights import public_key
from deploy.settings.load import load_inventory


@click.group(cls=Group)
def release() -> None:
    """Build, show and verify signed releases."""


@release.command()
@options.inventory
@options.limit
@options.data
@options.as_json
def build(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> None:
    """Build and sign the release of every host in INVENTORY; connects to none."""
    begun = time.monotonic()
    hosts = load_inventory(inventory, data, limit)
    found = {host.name: built(host.settings).signed(newer_than=0) for host in hosts}
    releases = {signed.manifest.release for signed in found.values()}
    output.say(f"{len(releases)} signed, {time.monotonic() - begun:.1f} s")
    _show([{"host": name, **summary(signed)} for name, signed in found.items()], as_json)


@release.command()
@options.as_json
def show(as_json: bool) -> None:
    """List the signed releases kept here, the newest first."""
    _show([summary(signed) for signed in kept_releases()], as_json)


@release.command()
@click.argument("release_id", metavar="[RELEASE]", required=False)
@options.as_json
def verify(release_id: str | None, as_json: bool) -> None:
    """Verify both signatures, image layers and model files of RELEASE, or of the newest; exits with 1 on any fault."""
    if release_id is None:
        newest = next(iter(kept_releases()), None)
        if newest is None:
            raise click.UsageError("no signed release is kept here; first: casemate release build INVENTORY")
        release_id = newest.manifest.release
    checks = list(verify_release(read_signed(release_id)))
    verified = all(check.fault is None for check in checks)
    if as_json:
        shown = [{"part": check.part, "fault": check.fault} for check in checks]
        output.document({"release": release_id, "verified": verified, "checks": shown})
    else:
        output.table([{"part": check.part, "verdict": check.fault or "as signed"} for check in checks])
    if not verified:
        sys.exit(1)


def summary(signed: Signed) -> dict[str, Any]:
    """One release as `--json` shows it; sizes in bytes."""
    found = signed.manifest
    return {
        "release": found.release,
        "sequence": found.sequence,
        "created": found.created,
        "variant": signed.settings.variant,
        "image": {**found.image.model_dump(), "size": sum(found.image.sizes)},
        "model": {
            "name": found.model.name,
            "size": sum(file.size for file in found.model.files.values()),
            "signature": str(signed.directory / SIGNATURE),
            "public_key": str(public_key(signed.settings)),
            "publisher_key": signed.settings.publisher_key,
        },
        "configuration_sha256": found.configuration_sha256,
        "lock": found.lock,
    }


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.document(found)
        return
    shown = [
        {
            **{key: one[key] for key in ("host", "release", "sequence", "created", "variant") if key in one},
            "image": f"{one['image']['config_digest'][7:19]} ({one['image']['size'] / 1e6:.0f} MB)",
            "model": f"{one['model']['name']} ({one['model']['size'] / 1e6:.1f} MB)",
        }
        for one in found
    ]
    output.table(shown, none="no signed release is kept here")
