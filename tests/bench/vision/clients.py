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

import httpx
import numpy as np
from PIL import Image

from tests.bench.vision.serving import IDENTITY

_QUICK = {"compress_level": 1}
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
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What shape is the red one?"}]
    asked = {"model": "micro", "messages": [{"role": "user", "content": content}], "max_tokens": tokens}
    return json.dumps({**asked, "temperature": 0, "stream": stream}).encode()


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    """`requests` of them, `together` at once; with `leave` each goes away at a random moment within so many seconds."""
    urls = [picture(number, plan["side"], plan["kind"], plan["noise"]) for number in range(plan["pictures"])]
    transport = httpx.AsyncHTTPTransport(uds=plan.get("socket"), limits=httpx.Limits(max_connections=None))
    first: list[float] = []
    whole: list[float] = []
    statuses: dict[int, int] = {}
    left = iter(range(plan["requests"]))
    async with httpx.AsyncClient(transport=transport, base_url=plan["base"], headers=IDENTITY, timeout=300) as client:

        async def one(number: int) -> None:
            content = body(urls[number % len(urls)], plan["tokens"], plan["stream"])
            began, spoken = time.perf_counter(), False
            headers = {"content-type": "application/json"}
            async with client.stream("POST", "/v1/chat/completions", content=content, headers=headers) as answer:
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                async for part in answer.aiter_raw():
                    if not spoken and _SAID.search(part):
                        spoken = True
                        first.append(time.perf_counter() - began)
            whole.append(time.perf_counter() - began)

        async def worker() -> None:
            for number in left:
                if plan.get("leave"):
                    try:
                        async with asyncio.timeout(random.random() * plan["leave"]):
                            await one(number)
                    except (TimeoutError, httpx.HTTPError):
                        continue
                else:
                    await one(number)

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(plan["together"])))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "first": first, "whole": whole, "statuses": statuses}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
