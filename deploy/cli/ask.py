"""casemate ask: a question about a picture, by the way that every client takes."""

import os
import re
import time
from pathlib import Path
from typing import Any

import click

from deploy.cli import options, output
from deploy.door import door_of
from deploy.errors import CasemateError, SettingsError
from deploy.picture import data_url
from deploy.settings.base import in_bytes
from deploy.settings.gate import GateSettings
from deploy.settings.load import InventoryHost, load_inventory

_MARGIN_SECONDS = 10
"""The door's own patience ends first, and says so in words."""


@click.command()
@options.inventory
@click.argument("picture", type=click.Path(path_type=Path))
@click.argument("question")
@options.limit
@options.data
@options.as_json
def ask(
    inventory: str, picture: Path, question: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool
) -> None:
    """Ask QUESTION about PICTURE (JPEG, PNG, WEBP) through the proxy; prints the answer alone.

    The key is $CASEMATE_API_KEY, or in the file that gate.api_key_file names. Of several hosts the first is asked.
    """
    host = load_inventory(inventory, data, limit)[0]
    request = chat(host, picture, question)
    began = time.monotonic()
    found = door_of(host, host.settings.proxy.read_seconds + _MARGIN_SECONDS).post(
        "/v1/chat/completions", request, api_key(host.settings.gate)
    )
    text = answer_of(host, found)
    if as_json:
        output.document(
            {
                "host": host.name,
                "model": found.get("model"),
                "answer": text,
                "usage": found.get("usage"),
                "seconds": round(time.monotonic() - began, 3),
            }
        )
    else:
        output.answer(text)


def chat(host: InventoryHost, picture: Path, question: str) -> dict[str, Any]:
    """The request in OpenAI's form; raises SettingsError when the picture is none, or more than the door takes."""
    url = data_url(picture)
    limit = host.settings.proxy.max_body
    if len(url) >= in_bytes(limit):
        raise SettingsError(
            f"{picture} is {len(url)} bytes as it is sent, and {host.name} takes {limit}",
            next="make it smaller (the model scales it down anyway), or raise proxy.max_body and deploy",
        )
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    return {"model": host.settings.release.model_name, "messages": [{"role": "user", "content": content}]}


def api_key(gate: GateSettings) -> str:
    """This operator's own key; raises SettingsError when there is none."""
    place, key = "CASEMATE_API_KEY", os.environ.get("CASEMATE_API_KEY")
    try:
        if not key:
            place, key = str(gate.api_key_file), gate.api_key_file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingsError(
            f"no API key: CASEMATE_API_KEY is not set and {gate.api_key_file} cannot be read",
            next=f"casemate key new ID --out {gate.api_key_file}; put its line into the settings; deploy",
        ) from error
    key = key.strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise SettingsError(f"{place} holds no API key", next="copy the key again, whole, as it was shown")
    return key


def answer_of(host: InventoryHost, found: Any) -> str:
    """The text of the answer."""
    try:
        return str(found["choices"][0]["message"]["content"])
    except (KeyError, IndexError, TypeError) as error:
        raise CasemateError(
            f"{host.name}: the answer has no choices[0].message.content",
            next=f"casemate status INVENTORY --limit {host.name}",
        ) from error
