"""How outlets prove who the receiver is."""

from __future__ import annotations

import ssl


def context(ca_file: str | None) -> ssl.SSLContext:
    """Verifies certificate and name, by these CAs alone or by the system's. Raises OSError, with the file's name."""
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise OSError(f"{ca_file}: no CA certificates: {error}") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
