"""How long clients wait: for the first word, and for what is not the model's own work."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.paths import ROOT
from tests.bench.figure import Figure, at_most, plain
from tests.bench.vision.endless import endless
from tests.bench.vision.inside import Inside
from tests.bench.vision.load import percentile, sent
from tests.bench.vision.serving import served

_MEGAPIXEL: dict[str, Any] = {"side": 1000, "kind": "jpeg", "pictures": 60}


def first_token() -> list[Figure]:
    """From a request to the first word of its stream, with one client and with sixteen; each picture is a new one."""
    figures = []
    with tempfile.TemporaryDirectory() as folder, served(endless(Path(folder)), Path(folder)) as service:
        for together, requests in ((1, 50), (16, 320)):
            done = sent(socket=service.socket, together=together, requests=requests, pictures=requests, stream=True)
            for share in (50, 99):
                name = f"vision-first-token-{together}-p{share}"
                figures.append(plain(name, percentile(done["first"], share) * 1000, "ms"))
    return figures


def overhead() -> list[Figure]:
    """A question about a JPEG of one megapixel, over HTTP and asked of the engine itself with the picture decoded."""
    with tempfile.TemporaryDirectory() as folder:
        model = endless(Path(folder))
        with served(model, Path(folder)) as service:
            over_http = sent(socket=service.socket, together=1, requests=60, tokens=1, **_MEGAPIXEL)["whole"]
        command = [sys.executable, "-m", "tests.bench.vision.latency", str(model)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    http, bare = percentile(over_http[10:], 50) * 1000, percentile(json.loads(done.stdout), 50) * 1000
    return [
        plain("vision-http", http, "ms"),
        plain("vision-bare-engine", bare, "ms"),
        at_most("vision-overhead", http - bare, "ms", 5),
    ]


def bare_engine(model: Path) -> list[float]:
    """Seconds of each answer of one token."""
    from PIL import Image  # Only this process needs them.

    from service.vision.conversation import Job, Picture, Sampling, Turn
    from service.vision.engine.choices import Choices
    from service.vision.engine.transformers import TransformersEngine

    engine = TransformersEngine(Choices(model, "cpu", "fp32", 8192, 64, 1_300_000, 16, 100_000))

    async def all_of_them() -> list[float]:
        await engine.start()
        seconds = []
        for number in range(60):
            image = Image.new("RGB", engine.fit(1000, 1000, coarse=False), (number, 90, 40))
            turn = Turn("user", (Picture(image, str(number), 1000, 1000), "What shape is the red one?"))
            began = time.perf_counter()
            async for _ in await engine.submit(Job((turn,), Sampling(max_new_tokens=1, temperature=0.0))):
                pass
            seconds.append(time.perf_counter() - began)
        await engine.stop()
        return seconds[10:]

    return asyncio.run(all_of_them())


def loop_block() -> list[Figure]:
    """The longest time that the event loop did nothing else, while 32 pictures of 5 MB arrive at once; three times."""
    longest = []
    with tempfile.TemporaryDirectory() as folder, Inside(endless(Path(folder)), Path(folder)) as inside:
        plan: dict[str, Any] = {
            "together": 32,
            "requests": 32,
            "pictures": 32,
            "tokens": 1,
            "side": 1480,
            "kind": "png",
        }
        for _ in range(3):
            with inside.watched() as lags:
                found = sent(socket=inside.socket, noise=True, **plan)
                if found["statuses"] != {"200": 32}:
                    raise RuntimeError(f"not everybody was answered: {found['statuses']}")
            longest.append(max(lags) * 1000)
    each = [plain(f"vision-loop-block-{number}", value, "ms") for number, value in enumerate(longest, 1)]
    return [*each, at_most("vision-loop-block", max(longest), "ms", 20)]


if __name__ == "__main__":
    print(json.dumps(bare_engine(Path(sys.argv[1]))))
