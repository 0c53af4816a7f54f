"""How long clients wait: for the first word, and for what is not the model's own work."""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.separate import SeparateEngine
from service.vision.pictures import Limits, decode
from tests.bench.figure import Figure, at_most, plain
from tests.bench.vision.clients import QUESTION, picture
from tests.bench.vision.endless import endless
from tests.bench.vision.inside import Inside
from tests.bench.vision.load import percentile, sent
from tests.bench.vision.serving import served

_TURNS, _A_TURN, _WARM = 6, 30, 5
"""Turns, requests in each, and those of them that are not counted."""


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
    """A question about a JPEG of one megapixel, over HTTP and asked of the same engine itself with the picture decoded.

    In turns, for a machine that is slower now than a minute ago is slower for both. Each picture is a new one. The
    engine has its own process either way: handing it this picture (0.15 ms) is no part of the difference. How much of
    that is decoding the JPEG, and making it smaller, is told too.
    """
    over_http, bare, decoding = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, Inside(endless(Path(folder)), Path(folder)) as inside:
        for turn in range(_TURNS):
            numbers = range(turn * _A_TURN, (turn + 1) * _A_TURN)
            plan: dict[str, Any] = {"from": numbers.start, "pictures": _A_TURN, "requests": _A_TURN, "tokens": 1}
            jobs = [_job(number, inside.engine.fit(1000, 1000, coarse=False)) for number in numbers]
            found = sent(socket=inside.socket, together=1, side=1000, kind="jpeg", **plan)
            _all_answered(found, _A_TURN)
            over_http += found["whole"][_WARM:]
            bare += inside.asked(jobs)[_WARM:]
            decoding += [_decoding(number, inside.engine) for number in numbers][_WARM:]
    whole, engine = percentile(over_http, 50) * 1000, percentile(bare, 50) * 1000
    return [
        plain("vision-http", whole, "ms"),
        plain("vision-bare-engine", engine, "ms"),
        plain("vision-decoding", percentile(decoding, 50) * 1000, "ms"),
        at_most("vision-overhead", whole - engine, "ms", 5),
    ]


def _all_answered(found: dict[str, Any], requests: int) -> None:
    if found["statuses"] != {"200": requests}:
        raise RuntimeError(f"not everybody was answered: {found['statuses']}")


def _decoding(number: int, engine: SeparateEngine) -> float:
    """Seconds, in this thread and with nothing else to do."""
    url = picture(number, 1000, "jpeg", noise=False)
    began = time.perf_counter()
    decode(url, Limits(1 << 24, 1 << 24, 200), partial(engine.fit, coarse=False), lambda _: None)
    return time.perf_counter() - began


def _job(number: int, size: tuple[int, int]) -> Job:
    """What a request for one token comes to; no other has its picture."""
    pixels = np.full((size[1], size[0], 3), (number, 90, 40), np.uint8)
    turn = Turn("user", (Picture.upright(pixels, size, str(number)), QUESTION))
    return Job((turn,), Sampling(max_new_tokens=1, temperature=0.0))


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
                _all_answered(found, plan["requests"])
            longest.append(max(lags) * 1000)
    each = [plain(f"vision-loop-block-{number}", value, "ms") for number, value in enumerate(longest, 1)]
    return [*each, at_most("vision-loop-block", max(longest), "ms", 20)]
