"""The micro model without an end: it says as many tokens as it may, so that runs and rivals do the same work."""

import json
import shutil
from pathlib import Path

from deploy.paths import ROOT

WEIGHTS = ROOT / "service" / "micro" / "weights"
_NEVER = "<|end_of_video|>"


def endless(folder: Path) -> Path:
    """A copy whose only end token is one that the model never says."""
    copy = folder / "micro"
    shutil.copytree(WEIGHTS, copy)
    tokens = json.loads((copy / "tokenizer.json").read_text())["added_tokens"]
    never = next(token["id"] for token in tokens if token["content"] == _NEVER)
    for name in ("config.json", "generation_config.json"):
        content = json.loads((copy / name).read_text())
        content.get("text_config", content)["eos_token_id"] = never
        (copy / name).write_text(json.dumps(content))
    return copy
