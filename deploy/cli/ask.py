"""casemate ask: a question about pictures, by the way that every client takes."""

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from deploy.answer import Answer
from deploy.cli import options, output
from deploy.door import Stream, door_of
from deploy.errors import CasemateError, SettingsError
from deploy.picture import data_url
from deploy.settings.base import in_bytes
from deploy.settings.gate import GateSettings
from deploy.settings.load import InventoryHost, load_inventory

_MARGIN_SECONDS = 10
"""The door's own patience ends first, and says so in words."""


@click.command()
@options.inventory
@click.argument("pictures", metavar="[PICTURE]...", nargs=-1, type=click.Path(path_type=Path))
@click.argument("question")
@options.limit
@options.data
@options.as_json
def ask(
    inventory: str,
    pictures: tuple[Path, ...],
    question: str,
    limit: tuple[str, ...],
    data: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask QUESTION about each PICTURE (JPEG, PNG, WEBP) through the proxy; prints the answer alone, as it comes.

    QUESTION - is read from standard input. The key is $CASEMATE_API_KEY, or in the file that gate.api_key_file names.
    Of several hosts the first is asked.
    """
    host = load_inventory(inventory, data, limit)[0]
    request = chat(host, pictures, read() if question == "-" else question)
    key = api_key(host.settings.gate)
    door = door_of(host, host.settings.proxy.read_seconds + _MARGIN_SECONDS)
    began = time.monotonic()
    with door.stream("/v1/chat/completions", request, key) as stream:
        answer, first = told(host, stream, shown=not as_json)
    if as_json:
        seconds = {"first_token": first and round(first - began, 3), "total": round(time.monotonic() - began, 3)}
        output.document(
            {
                "host": host.name,
                "request": stream.request,
                "model": answer.model,
                "answer": answer.text,
                "reasoning": answer.reasoning or None,
                "finish_reason": answer.finish_reason,
                "usage": answer.usage,
                "seconds": seconds,
            }
        )
    if answer.finish_reason == "length":
        output.say("The answer ends here because it has as many tokens as it may have (vision.max_new_tokens).")


def read() -> str:
    """The question on standard input; raises SettingsError when there is none."""
    try:
        question = sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise SettingsError("the question on standard input is not UTF-8", next="convert it with iconv") from error
    if not question:
        raise SettingsError(
            "there is no question on standard input", next="echo 'What is this?' | casemate ask INVENTORY PICTURE -"
        )
    return question


def chat(host: InventoryHost, pictures: Sequence[Path], question: str) -> dict[str, Any]:
    """The request in OpenAI's form; raises SettingsError when a picture is none, or the host takes no such pictures."""
    vision, proxy = host.settings.vision, host.settings.proxy
    if len(pictures) > vision.max_pictures:
        raise SettingsError(
            f"{len(pictures)} pictures, and {host.name} takes {vision.max_pictures} in a question",
            next="ask about fewer at a time, or raise vision.max_pictures and deploy",
        )
    urls = [data_url(picture) for picture in pictures]
    for picture in pictures:
        if (size := picture.stat().st_size) > vision.max_picture_bytes:
            raise _too_large(f"{picture} is {size} bytes", host, vision.max_picture_bytes, "vision.max_picture_bytes")
    named, size = " and ".join(map(str, pictures)), sum(map(len, urls))
    if size >= in_bytes(proxy.max_body):
        raise _too_large(f"{named}: {size} bytes as sent", host, proxy.max_body, "proxy.max_body")
    if size >= vision.max_body_bytes:
        raise _too_large(f"{named}: {size} bytes as sent", host, vision.max_body_bytes, "vision.max_body_bytes")
    content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {
        "model": host.settings.release.model_name,
        "messages": [{"role": "user", "content": [*content, {"type": "text", "text": question}]}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _too_large(what: str, host: InventoryHost, most: int | str, setting: str) -> SettingsError:
    return SettingsError(
        f"{what}, and {host.name} takes {most}",
        next=f"make it smaller (the model scales it down anyway), or raise {setting} and deploy",
    )


def told(host: InventoryHost, stream: Stream, *, shown: bool) -> tuple[Answer, float | None]:
    """The whole answer, shown as it comes, and when its first words came, thoughts included."""
    answer, first = Answer(), None
    try:
        for chunk in stream.events:
            more = answer.take(chunk)
            if first is None and (answer.text or answer.reasoning):
                first = time.monotonic()
            if shown and more:
                output.words(more)
    except ValueError as error:
        raise CasemateError(
            f"{host.name}: what came is no answer: {error}", next=f"casemate status INVENTORY --limit {host.name}"
        ) from error
    finally:  # What was said before it broke off stays, and what went wrong begins a line.
        if shown and (answer.text or answer.finish_reason):
            output.words("\n")
    return answer, first


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
