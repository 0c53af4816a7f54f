"""A picture file as the API takes it."""

import base64
from pathlib import Path

from deploy.errors import SettingsError


def kind(content: bytes) -> str | None:
    """The media type that a picture's first bytes tell, whatever its name says; None for what is no picture of ours."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def data_url(path: Path) -> str:
    """The whole file as a data URL. Raises SettingsError when it cannot be read or is no picture."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}", next="name a picture that can be read") from error
    found = kind(content)
    if found is None:
        raise SettingsError(f"{path} is no JPEG, PNG or WEBP picture", next="convert it, or name another file")
    return f"data:{found};base64,{base64.b64encode(content).decode()}"
