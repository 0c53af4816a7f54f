"""Which certificate a host's door shows: the operator's own, or one of the private CA, renewed in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.certificates.authority import authority
from deploy.certificates.pair import Pair, PairError
from deploy.certificates.vault import write
from deploy.errors import CasemateError, SettingsError
from deploy.private import locked
from deploy.settings.proxy import ProxySettings

RENEW_DAYS = 30


def server_certificate(settings: ProxySettings, host: str, now: datetime | None = None) -> Pair:
    """The pair for this host; raises CasemateError when there is none that a client would accept.

    Of the private CA each host has its own, kept as <ca>/hosts/<host>.pem (0600); it is made anew when it has less than
    30 days left, is for another name, or is not of this CA.
    """
    now = now or datetime.now(UTC)
    if settings.certificate and settings.private_key:
        return own(settings.certificate, settings.private_key, settings.server_name, now)
    signs = authority(settings.ca, now)
    file = settings.ca / "hosts" / f"{host.replace('/', '_')}.pem"
    with locked(file.parent):
        kept = _kept(file)
        # A CA in its own last days issues nothing that lasts longer; making one anew each time would help nobody.
        until = min(now + timedelta(days=RENEW_DAYS), signs.certificate.not_valid_after_utc - timedelta(seconds=1))
        if kept and signs.signed(kept.certificate) and _lasts(kept, settings.server_name, now, until):
            return kept
        made = signs.issue(settings.server_name, now)
        write(file, made.pem().encode())
    return made


def own(certificate: Path, private_key: Path, server_name: str, now: datetime) -> Pair:
    """The pair of these two files; raises SettingsError when no client would accept it or others may read it."""
    try:
        mode = private_key.stat().st_mode & 0o777
        pair = Pair.read(certificate.read_bytes(), private_key.read_bytes())
        pair.check(server_name, now)
    except OSError as error:
        raise SettingsError(
            f"proxy.certificate: {error.filename}: {error.strerror}",
            next="correct proxy.certificate and proxy.private_key",
        ) from error
    except PairError as error:
        raise SettingsError(
            f"proxy.certificate: {certificate} with {private_key}: {error}",
            next="have it issued anew; or set neither, and the private CA issues one",
        ) from error
    if mode & 0o077:
        raise SettingsError(
            f"proxy.private_key: {private_key} has mode {mode:04o}, expected 0600: others can read it",
            next=f"chmod 600 {private_key}",
        )
    return pair


def _kept(file: Path) -> Pair | None:
    try:
        content = file.read_bytes()
        return Pair.read(content, content)
    except FileNotFoundError:
        return None
    except (OSError, PairError) as error:
        raise CasemateError(f"{file}: {error}", next=f"remove {file}; a new one is made") from error


def _lasts(pair: Pair, server_name: str, now: datetime, until: datetime) -> bool:
    """Good from now on, and for this name alone."""
    try:
        pair.check(server_name, now)
        pair.check(server_name, until)
    except PairError:
        return False
    return pair.names == {server_name}
