"""casemate monitoring: the files by which an operator's own Prometheus and Grafana watch the hosts."""

import re
from dataclasses import dataclass
from pathlib import Path

import click

from deploy.cli import options, output
from deploy.door import Door, door_of
from deploy.errors import CasemateError, SettingsError
from deploy.operations.templates import render
from deploy.settings.load import load_inventory

KEY = "prometheus.key"


@dataclass(frozen=True)
class Target:
    """A host as Prometheus reaches it; `ca` is the file beside the configuration, None for the system's own CAs."""

    name: str
    address: str
    server_name: str
    port: int
    ca: str | None


@click.command()
@options.inventory
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Directory to write to.")
@options.limit
@options.data
@options.as_json
def monitoring(inventory: str, out: Path, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> None:
    """Write scrape configuration, alert rules, Grafana dashboards and the CAs of INVENTORY's doors; connects to none.

    No key is written: the configuration names a file beside it, where a key of Prometheus's own belongs.
    """
    doors = [door_of(host, 0) for host in load_inventory(inventory, data, limit)]
    written = files(job_of(inventory), inventory, doors)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in written.items():
            (out / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{out}: {error.strerror}", next="name a directory that can be written") from error
    paths = [str(out / name) for name in written]
    if as_json:
        output.document({"files": paths, "key": str(out / KEY)})
    else:
        output.table([{"file": path} for path in paths])
    if not (out / KEY).exists():
        output.say(f"Next: casemate key new prometheus --out {out / KEY}; put its line into the settings; deploy")


def job_of(inventory: str) -> str:
    """What tells the hosts of this inventory from all others in Prometheus and Grafana; both take it as it is."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"casemate-{Path(inventory).stem}")[:40]


def files(job: str, inventory: str, doors: list[Door]) -> dict[str, str]:
    """Names and contents. Raises CasemateError when two hosts could not be told apart, or a CA is not there yet."""
    names = [door.server_name for door in doors]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(
            f"several hosts answer to {', '.join(twice)}, and Prometheus reaches a door by its name",
            next="give each host a proxy.server_name of its own, or choose one with --limit",
        )
    targets = [
        Target(door.host, door.address, door.server_name, door.port, f"{door.host}.pem" if door.ca else None)
        for door in doors
    ]
    values = {"job": job, "inventory": Path(inventory).name}
    return {
        "scrape.yml": render("vision/scrape.yml.j2", hosts=targets, key=KEY, **values),
        "alerts.yml": render("vision/alerts.yml.j2", **values),
        "alerts-sentinel.yml": render("sentinel/alerts.yml.j2", **values),
        "grafana.json": render("vision/grafana.json.j2", **values),
        "grafana-sentinel.json": render("sentinel/grafana.json.j2", **values),
        **{f"{door.host}.pem": _certificate(door.ca) for door in doors if door.ca},
    }


def _certificate(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise CasemateError(
            f"{path}: the CA's certificate cannot be read", next="deploy once, which makes it, or correct proxy.ca"
        ) from error
