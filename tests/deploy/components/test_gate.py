"""What gate knows of its keys."""

import hashlib
import json
from pathlib import Path

from deploy.components.gate import keys
from deploy.settings.gate import GateSettings
from service.gate.register import Register

KEY = "csm_demo_" + "a" * 43 + "abcdef"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


def test_the_keys_are_what_the_verifier_reads(tmp_path: Path) -> None:
    settings = GateSettings(keys={"zoe": f"sha256:{'0' * 64}", "demo": f"sha256:{DIGEST}"})
    (tmp_path / "keys.json").write_text(keys(settings))
    assert sorted(Register(tmp_path / "keys.json").ids().values()) == ["demo", "zoe"]
    assert json.loads(keys(settings))["keys"][0] == {"id": "demo", "sha256": DIGEST}


def test_the_same_keys_are_the_same_file() -> None:
    one = GateSettings(keys={"a1": f"sha256:{'1' * 64}", "b2": f"sha256:{'2' * 64}"})
    other = GateSettings(keys={"b2": f"sha256:{'2' * 64}", "a1": f"sha256:{'1' * 64}"})
    assert keys(one) == keys(other)
