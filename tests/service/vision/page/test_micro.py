"""The whole way: a person, a browser, the door, the service, and a model that looks at the picture."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.page.visit import Visit
from tests.service.vision.served import ROOT, Served, served

MICRO = ROOT / "service" / "micro"


@pytest.fixture
def real_service() -> Iterator[Served]:
    with served(TransformersEngine(choices(MICRO / "weights"))) as found:
        while found.running.client.get("/readyz").status_code != 200:
            assert found.running.serving.failure is None
        yield found


def test_right_answers_in_both_languages(browser: Browser, real_service: Served) -> None:
    demo = json.loads((MICRO / "demo.json").read_text())
    for language, locale in {"en": "en-US", "zh": "zh-CN"}.items():
        visit = Visit.begin(browser, real_service.address, locale=locale)
        visit.choose(MICRO / demo["picture"])
        visit.ask(demo[language]["question"])
        visit.answered(demo[language]["answer"])
        visit.shoot(f"desk-{language}-light-7-micro")
        visit.end()
