"""How long a picture takes on its way to the vision tower, at the size at which a real model sees it."""

import base64
import io
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from PIL import Image
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

from service.vision.engine.fitting import Fitting
from service.vision.engine.patches import Patcher, Shades
from service.vision.engine.scaling import scaled
from service.vision.engine.wire import Sender, receive
from service.vision.pictures import Limits, decode
from tests.bench.figure import Figure, plain
from tests.bench.vision.clients import picture
from tests.bench.vision.load import percentile

_SIDE, _TIMES, _WARM = 1000, 60, 10


def on_its_way() -> list[Figure]:
    """From the data URL of a JPEG of one megapixel to the tower's values for 1008 x 1008 of its pixels.

    The checks of the file and the way into the engine's process are part of it. Beside it what Pillow and transformers'
    processor of the same model take for the same, without these two. Each by one thread, and in turns.
    """
    processor = Glm46VImageProcessorPil()
    longest, shortest = processor.size["longest_edge"], processor.size["shortest_edge"]
    frames, patch = processor.temporal_patch_size, processor.patch_size
    fitting = Fitting(patch * processor.merge_size, frames, shortest, longest)
    patcher, shades = Patcher(processor), Shades(processor)
    out, into = socket.socketpair()
    sender = Sender(out)

    def ours(url: str) -> torch.Tensor:
        seen = decode(url, Limits(1 << 24, 1 << 24, 200), partial(fitting.fit, coarse=False), lambda _: None)
        sending = post.submit(sender.send, seen)
        (arrived,) = receive(into)
        sending.result()
        pixels, _ = patcher.cut(scaled(arrived))
        return shades.of(pixels)

    def theirs(url: str) -> torch.Tensor:
        image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        made: torch.Tensor = processor(images=[image], return_tensors="pt")["pixel_values"]
        return made

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {"casemate": [], "transformers": []}
    with out, into, ThreadPoolExecutor(1) as post:
        for number in range(_TIMES):
            url = picture(number, _SIDE, "jpeg", noise=False)
            for name, way in (("casemate", ours), ("transformers", theirs)):
                seconds[name].append(_timed(way, url))
    torch.set_num_threads(threads)
    own, peer = (percentile(seconds[name][_WARM:], 50) * 1000 for name in ("casemate", "transformers"))
    return [
        plain("vision-picture", own, "ms"),
        plain("vision-picture-transformers", peer, "ms", "transformers"),
        plain("vision-picture-ratio", peer / own, "x", "transformers"),
    ]


def _timed(way: Callable[[str], torch.Tensor], url: str) -> float:
    began = time.perf_counter()
    found = way(url)
    seconds = time.perf_counter() - began
    if found.shape[0] != (1008 // 14) ** 2:
        raise RuntimeError(f"{tuple(found.shape)} is no picture of 1008 x 1008")
    return seconds
