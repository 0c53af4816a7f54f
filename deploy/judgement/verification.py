"""Looking at a host and judging it: one snapshot, one experiment, every control."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.facts.probed import probed
from deploy.judgement.control import Control
from deploy.judgement.finding import Finding, judge, unseen, waive
from deploy.judgement.subject import subject
from deploy.judgement.waiver import Waiver
from deploy.settings.load import settings_of


def verify(host: Any, controls: Sequence[Control], waivers: Sequence[Waiver]) -> list[Finding]:
    """Every control on a connected host (pyinfra's). One that does not answer is unknown through and through."""
    try:
        seen = subject(observed(host).data, settings_of(host))
        findings = judge(controls, {"host": seen, "probe": probed(host, _model(seen))})
    except CasemateError as error:
        return unanswered(host.name, error, controls, waivers)
    return waive(findings, waivers, host.name, _today())


def unanswered(
    host: str, error: CasemateError, controls: Sequence[Control], waivers: Sequence[Waiver]
) -> list[Finding]:
    """Every control on a host that nothing could be seen of."""
    return waive(unseen(controls, f"{error.message}; next: {error.next}"), waivers, host, _today())


def _today() -> date:
    return datetime.now(UTC).date()


def _model(seen: Mapping[str, Any]) -> str | None:
    """The container whose walls are tried: the one that answers the door's requests."""
    live = [c["name"] for c in seen["containers"] or [] if c["component"] == "vision" and c["live"]]
    return live[0] if live else None
