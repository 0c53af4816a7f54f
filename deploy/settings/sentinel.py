"""The file-integrity monitor: what it watches, how sure it is of it, whom it tells, and what it does."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, field_validator, model_validator

from deploy.settings.base import NAME, OperatorPath, Settings
from deploy.settings.watched import WATCHED

Severity = Literal["critical", "high", "medium", "low"]
Reaction = Literal["alert", "pause", "isolate"]
_UNSEEN = ("/proc", "/sys", "/dev", "/run/systemd", "/tmp", "/var/tmp", "/lib/modules", "/usr/lib/modules")


def _watchable(path: str) -> str:
    if not path.startswith("/") or "//" in path or {".", ".."} & set(path.split("/")) or path != path.rstrip("/"):
        raise ValueError("an absolute path without .., such as /srv/site or /home/*/.config")
    if any(path == unseen or path.startswith(f"{unseen}/") for unseen in _UNSEEN):
        raise ValueError(f"a place that keeps its files and that the sentinel's sandbox shows it; not {path}")
    return path


Watched = Annotated[str, AfterValidator(_watchable)]
"""A path on the host, or a glob pattern of such."""


class WatchSetSettings(Settings):
    """Paths that belong together. One of the sentinel's own sets (deploy/settings/watched.py) keeps what is not set."""

    severity: Severity | None = Field(None, description="Of what changes there; a set of your own needs one.")
    roots: list[Watched] | None = Field(None, description="Paths or glob patterns; a set of your own needs some.")
    exclude: list[str] | None = Field(None, description="Patterns (fnmatch) on whole paths that are left out.")
    content: Literal["hash", "metadata"] = Field("hash", description="metadata: mode, owner, size and times must do.")
    reaction: Reaction = Field("alert", description="pause: our containers stop; isolate: their network is cut.")


class ContainerWatchSettings(Settings):
    """The file systems of our running containers. They are read-only: whatever changes there is an alert."""

    severity: Severity = "critical"
    reaction: Reaction = Field("alert", description="To a change in a container: pause it, or isolate it.")
    may_change: dict[Literal["vision", "gate"], list[str]] = Field(
        default_factory=dict, description="Patterns of paths inside, by component, that are no alert."
    )


class WebhookSettings(Settings):
    """Each alert by POST, as JSON; with a secret, signed by HMAC-SHA256."""

    url: HttpUrl
    secret: OperatorPath | None = Field(None, description="File with the secret, readable by its owner only.")


class SyslogSettings(Settings):
    """Each alert as a line of RFC 5424."""

    host: str = Field(min_length=1)
    port: int = Field(6514, ge=1, le=65535)
    protocol: Literal["udp", "tcp", "tls"] = "tls"
    ca: OperatorPath | None = Field(None, description="For tls: PEM of the CA; None: the host's own CAs.")


class AlertmanagerSettings(Settings):
    """Each alert by Alertmanager's API."""

    url: HttpUrl


class SentinelSettings(Settings):
    """Which changes are seen, by what, and who is told."""

    sets: dict[Annotated[str, Field(pattern=NAME)], WatchSetSettings] = Field(
        default_factory=dict, description="Sets of your own; or changes to one of the sentinel's, by its name."
    )
    containers: ContainerWatchSettings = ContainerWatchSettings()
    source: Literal["auto", "inotify", "fanotify"] = Field("auto", description="auto takes fanotify where it works.")
    who: bool = Field(True, description="Ask the kernel which process it was.")
    sweep_seconds: int = Field(60, ge=1, le=86_400, description="Between two looks at every path's metadata.")
    rehash_hours: int = Field(24, ge=1, le=24 * 90, description="Every file's content is read again within this time.")
    heartbeat_seconds: int = Field(30, ge=1, le=3600, description="Silence for longer than this is an alarm.")
    webhook: WebhookSettings | None = None
    syslog: SyslogSettings | None = None
    alertmanager: AlertmanagerSettings | None = None

    @field_validator("sets")
    @classmethod
    def _whole(cls, value: dict[str, WatchSetSettings]) -> dict[str, WatchSetSettings]:
        if "containers" in value:
            raise ValueError("another name: the containers' own set is sentinel.containers")
        for name, one in value.items():
            if name not in WATCHED and (one.severity is None or not one.roots):
                raise ValueError(f"severity and roots for {name}, or one of the sets {', '.join(WATCHED)}")
        return value

    @model_validator(mode="after")
    def _a_key_for_the_ca(self) -> Self:
        if self.syslog and self.syslog.ca and self.syslog.protocol != "tls":
            raise ValueError("syslog.ca is for protocol tls")
        return self

    @property
    def watched(self) -> list[dict[str, Any]]:
        """Every set with all that it is: the sentinel's own, as changed here, then the operator's."""
        own = {name: WatchSetSettings.model_validate(one) for name, one in WATCHED.items()}
        merged = {name: {**one.model_dump(), **self._changes(name)} for name, one in own.items()}
        added = {name: one.model_dump() for name, one in self.sets.items() if name not in own}
        return [{"name": name, **one, "exclude": one["exclude"] or []} for name, one in {**merged, **added}.items()]

    def _changes(self, name: str) -> dict[str, Any]:
        return self.sets[name].model_dump(exclude_unset=True) if name in self.sets else {}
