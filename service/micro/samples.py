"""Draw the fixed pictures: `golden`, to ask about before the service is ready, and `demo`, for people to look at.

`python -m service.micro.samples` writes each as a PNG and a JSON file beside this module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from service.micro.draw import Scene, Thing, paint

HERE = Path(__file__).parent

GOLDEN = Scene(
    width=224,
    height=224,
    left=(250, 250, 245),
    right=(235, 235, 240),
    noise=0,
    noise_seed=0,
    things=(
        Thing("star", "blue", (30, 90, 220), x=62, y=64, radius=34, angle=0.2),
        Thing("square", "orange", (240, 140, 20), x=158, y=160, radius=32, angle=0.1),
    ),
)
DEMO = Scene(
    width=448,
    height=448,
    left=(255, 255, 255),
    right=(255, 255, 255),
    noise=0,
    noise_seed=0,
    things=(
        Thing("circle", "red", (220, 40, 40), x=125, y=130, radius=72, angle=0.0),
        Thing("square", "blue", (40, 80, 220), x=325, y=125, radius=58, angle=0.15),
        Thing("triangle", "green", (30, 160, 70), x=230, y=330, radius=72, angle=0.0),
    ),
)
SAMPLES: dict[str, tuple[Scene, dict[str, Any]]] = {
    "golden": (GOLDEN, {"question": "What colour is the star?", "answer": "blue"}),
    "demo": (
        DEMO,
        {
            "en": {"question": "What shape is the red one?", "answer": "circle"},
            "zh": {"question": "红色的图形是什么形状？", "answer": "圆形"},
        },
    ),
}


def smooth(scene: Scene, times: int = 4) -> Image.Image:
    """Paint a scene larger and shrink it, so that its edges are smooth."""
    things = tuple(
        Thing(t.shape, t.colour, t.rgb, t.x * times, t.y * times, t.radius * times, t.angle) for t in scene.things
    )
    large = Scene(scene.width * times, scene.height * times, scene.left, scene.right, 0, 0, things)
    return paint(large).resize((scene.width, scene.height), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the pictures and what is asked about them."""
    for name, (scene, asked) in SAMPLES.items():
        (smooth(scene) if name == "demo" else paint(scene)).save(HERE / f"{name}.png", optimize=True)
        content = {"picture": f"{name}.png", **asked}
        (HERE / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
