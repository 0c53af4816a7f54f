"""An apt repository's signing key: accepted by its fingerprint, and by nothing else.

A mirror's file may hold more than one key, and apt believes every one of them. So the file is taken apart here, refused
unless its only primary key is the one that was asked for, and put together again from what was understood.
"""

import urllib.request
from urllib.error import URLError

from deploy.errors import CasemateError
from deploy.operations.openpgp import PARTS_OF_A_CERTIFICATE, PUBLIC_KEY, armoured, dearmoured, fingerprint, packets
from deploy.settings.docker import DockerSettings

_FETCH_SECONDS = 30
_LARGEST = 1 << 20


def signing_key(settings: DockerSettings, distribution: str, on_host: str | None) -> str:
    """The repository's armoured key. What the host has already is asked first, so that a plan fetches nothing.

    `distribution` is `debian` or `ubuntu`, `on_host` the host's key file. Raises CasemateError when the key cannot be
    had or is another one.
    """
    if on_host is not None:
        try:
            return accepted(on_host.encode(), settings.key_fingerprint, "the host's key file")
        except CasemateError:
            pass  # tampered with, or of another repository: the right one goes over it
    if settings.key_file is not None:
        return accepted(_read(settings), settings.key_fingerprint, str(settings.key_file))
    url = f"{str(settings.mirror).rstrip('/')}/{distribution}/gpg"
    return accepted(_fetched(url), settings.key_fingerprint, url)


def accepted(key: bytes, wanted: str, source: str) -> str:
    """The armoured key, made anew of what the file `key` (armoured or binary) holds; `source` names it in an error.

    Raises CasemateError unless its one primary key is a version 4 key with the fingerprint `wanted` (40 hex digits).
    """
    try:
        data = dearmoured(key)
        parts = list(packets(data))
    except ValueError as error:
        raise _refused(f"{source} is no OpenPGP public key ({error})", wanted) from error
    if not parts or parts[0][0] != PUBLIC_KEY or {tag for tag, _ in parts} - PARTS_OF_A_CERTIFICATE:
        raise _refused(f"{source} holds something else than a public key", wanted)
    found = [fingerprint(body) for tag, body in parts if tag == PUBLIC_KEY]
    if found != [wanted]:
        raise _refused(f"{source} holds the key {' and '.join(found)}", wanted)
    return armoured(data)


def _read(settings: DockerSettings) -> bytes:
    assert settings.key_file is not None
    try:
        return settings.key_file.read_bytes()
    except OSError as error:
        raise CasemateError(f"docker.key_file: {error}", next="name a file that is there") from error


def _fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:  # noqa: S310  an HttpUrl by its settings
            return bytes(answer.read(_LARGEST))
    except (URLError, OSError) as error:
        raise CasemateError(
            f"the repository's key could not be fetched from {url}: {error}",
            next="fetch it on a machine that can, and name it by docker.key_file",
        ) from error


def _refused(message: str, wanted: str) -> CasemateError:
    return CasemateError(
        f"{message}, expected only {wanted}: it was not sent to the host",
        next="get the key elsewhere and name it by docker.key_file, or correct docker.key_fingerprint",
    )
