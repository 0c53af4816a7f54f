"""What a model needs, against the figures that were measured for GLM-4.6V-Flash."""

import pytest
from transformers import Glm46VConfig

from service.vision.engine.memory import Need, need, require
from service.vision.engine.protocol import EngineUnusable

GIB = 1 << 30
FLASH = Glm46VConfig(
    text_config={
        "vocab_size": 151_552,
        "hidden_size": 4096,
        "intermediate_size": 13_696,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "num_key_value_heads": 2,
    },
    vision_config={"hidden_size": 1536, "intermediate_size": 13_696, "patch_size": 14},
)


def flash(precision: str = "bf16", context: int = 32_768) -> Need:
    parameters = 10_290_000_000
    limits = {"context": context, "rows": 1, "max_pixels": 1_300_000}
    return need(FLASH, parameters, device="cuda", precision=precision, **limits, compiled=False)


def test_the_measured_figures() -> None:
    assert flash().weights / GIB == pytest.approx(19.2, abs=0.05)
    assert flash().cache / GIB == pytest.approx(1.25, abs=0.01)
    assert flash("fp32").weights == 2 * flash("bf16").weights


def test_enough_is_silent() -> None:
    require(flash(), flash().total, model="flash", device="cuda", precision="bf16", context=32_768)


def test_too_little_names_need_have_and_remedy() -> None:
    with pytest.raises(EngineUnusable) as refused:
        require(flash("fp32"), 16 * GIB, model="flash", device="cuda", precision="fp32", context=32_768)
    told = str(refused.value)
    assert told.startswith("flash in fp32 needs 4")
    assert "weights 38.3 GiB" in told
    assert "but 16.0 GiB are left; next: CASEMATE_VISION_PRECISION=bf16, or" in told
