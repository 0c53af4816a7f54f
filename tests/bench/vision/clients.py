"""Clients in a process of their own: `python -m tests.bench.vision.clients`, its plan on standard input, JSON out."""

import asyncio
import base64
import io
import json
import random
import re
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from tests.bench.vision.serving import IDENTITY

QUESTION = "What shape is the red one?"
_QUICK = {"compress_level": 1}
_LENGTH = re.compile(rb"(?i)content-length: *([0-9]+)")
_SAID = re.compile(rb'content":"[^"]')


def picture(number: int, side: int, kind: str, noise: bool) -> str:
    """A data URL of a picture like no other; with noise its file is about as large as its pixels."""
    rng = np.random.default_rng(number)
    size = side if noise else max(2, side // 16)
    image = Image.fromarray(rng.integers(0, 64 if noise else 255, (size, size, 3), np.uint8))
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(file, kind.upper(), **{} if kind == "jpeg" else _QUICK)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def body(url: str, tokens: int, stream: bool) -> bytes:
    """A request for exactly so many tokens, of a model that does not stop by itself."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    asked = {"model": "micro", "messages": [{"role": "user", "content": content}], "max_tokens": tokens}
    return json.dumps({**asked, "temperature": 0, "stream": stream}).encode()


class Client:
    """One connection, kept; of HTTP no more than it takes, so that what is measured is the service and not this."""

    def __init__(self, base: str, socket: str | None) -> None:
        address = urlsplit(base)
        self._host, self._port, self._socket = address.hostname or "", address.port, socket
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes) -> tuple[int, float | None]:
        """The status, and when the first word of a stream came (by perf_counter)."""
        reader, writer = self._streams or await self._connect()
        head = [
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}",
            *(f"{k}: {v}" for k, v in IDENTITY.items()),
        ]
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}", "", ""]
        writer.write("\r\n".join(head).encode() + content)
        headers = await reader.readuntil(b"\r\n\r\n")
        first = None
        if length := _LENGTH.search(headers):
            await reader.readexactly(int(length[1]))
        else:
            while size := int(await reader.readline(), 16):
                part = await reader.readexactly(size + 2)
                if first is None and _SAID.search(part):
                    first = time.perf_counter()
            await reader.readline()
        return int(headers.split(None, 2)[1]), first

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket:
            self._streams = await asyncio.open_unix_connection(self._socket)
        else:
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    def leave(self) -> None:
        """Hang up, whatever is under way."""
        if self._streams:
            self._streams[1].transport.abort()
            self._streams = None


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    """`requests` of them, `together` at once; with `leave` each goes away at a random moment within so many seconds."""
    numbers = range(plan["from"], plan["from"] + plan["pictures"])
    urls = [picture(number, plan["side"], plan["kind"], plan["noise"]) for number in numbers]
    contents = [body(url, plan["tokens"], plan["stream"]) for url in urls]
    first: list[float] = []
    whole: list[float] = []
    statuses: dict[int, int] = {}
    left = iter(range(plan["requests"]))

    async def one(client: Client, number: int) -> None:
        began = time.perf_counter()
        status, spoken = await client.ask(contents[number % len(contents)])
        whole.append(time.perf_counter() - began)
        statuses[status] = statuses.get(status, 0) + 1
        if spoken is not None:
            first.append(spoken - began)

    async def worker() -> None:
        client = Client(plan["base"], plan.get("socket"))
        for number in left:
            try:
                async with asyncio.timeout(random.random() * plan["leave"] if plan.get("leave") else None):
                    await one(client, number)
            except TimeoutError:
                client.leave()
        client.leave()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(plan["together"])))
    return {"seconds": time.perf_counter() - began, "first": first, "whole": whole, "statuses": statuses}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
