"""How it looks, in both languages, by day and by night, on a phone and at a desk: screenshots, and measures."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from service.vision.engine.protocol import JobFailed
from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.test_limits import SLOWLY, ready
from tests.service.vision.page.visit import Visit
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import ROOT

DEMO = ROOT / "service" / "micro" / "demo.png"
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
LOOKS = [
    pytest.param(
        {**size, "locale": locale, "color_scheme": scheme},
        f"{name}-{locale[:2]}-{scheme}",
        id=f"{name}-{locale[:2]}-{scheme}",
    )
    for name, size in {"phone": PHONE, "desk": DESK}.items()
    for locale in ("en-US", "zh-CN")
    for scheme in ("light", "dark")
]
TEXTS = {
    "en": (
        "What do you see here?",
        "<think>Three shapes on a light ground; let me count them.</think>",
        "There are **three shapes**:\n\n1. a red circle, `#d33`\n2. a blue square\n3. a green triangle\n\n"
        "| shape | colour |\n|---|---:|\n| circle | red |\n| square | blue |\n\n```python\nprint('three')\n```\n",
    ),
    "zh": (
        "您在图中看到了什么？",
        "<think>浅色背景上有三个图形，数一数。</think>",
        "图中有**三个图形：**依次如下。\n\n1. 红色的圆形，`#d33`\n2. 蓝色的正方形\n3. 绿色的三角形\n\n"
        "| 图形 | 颜色 |\n|---|---:|\n| 圆形 | 红色 |\n| 正方形 | 蓝色 |\n\n```python\nprint('三')\n```\n",
    ),
}


def severe(visit: Visit) -> list[str]:
    """What the accessibility check finds serious or critical."""
    found: list[dict[str, Any]] = Axe().run(visit.page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def fits(visit: Visit) -> bool:
    """Whether nothing is wider than the window, and head and foot are inside it."""
    outside = visit.page.evaluate("""() => {
        const parts = [...document.querySelectorAll("html, body, header, main, .dock")];
        const wide = parts.filter((one) => one.scrollWidth > one.clientWidth);
        const head = document.querySelector("header").getBoundingClientRect();
        const foot = document.querySelector(".dock").getBoundingClientRect();
        return wide.length + (head.top < 0) + (foot.bottom > innerHeight);
    }""")
    return outside == 0


@pytest.mark.parametrize(("options", "name"), LOOKS)
def test_it_is_accessible_and_fits(begin: Begin, engine: ScriptedEngine, options: dict[str, Any], name: str) -> None:
    visit = begin(**options)
    asked, thought, answer = TEXTS[options["locale"][:2]]
    visit.shoot(f"{name}-1-welcome")
    assert fits(visit)
    visit.choose(DEMO, DEMO)
    visit.question.fill(asked)
    visit.shoot(f"{name}-2-question")
    assert fits(visit)
    engine.script = [thought, answer]
    visit.question.press("Enter")
    expect(visit.page.locator(".answered .actions")).to_be_visible()
    visit.shoot(f"{name}-3-answer")
    assert not severe(visit)
    assert fits(visit)


@pytest.mark.parametrize(("options", "name"), LOOKS)
def test_so_it_is_when_it_is_full_in_trouble_and_while_it_asks_back(
    begin: Begin, engine: ScriptedEngine, options: dict[str, Any], name: str
) -> None:
    visit = begin(**options)
    visit.choose(*[DEMO] * 8)
    visit.add(DEMO.read_bytes())
    expect(visit.page.get_by_role("alert")).to_be_visible()
    visit.shoot(f"{name}-5-full")
    assert not severe(visit)
    assert fits(visit)
    visit.question.fill(TEXTS[options["locale"][:2]][0])
    engine.refusal = JobFailed("no memory", "out_of_memory", again=False)
    visit.question.press("Enter")
    expect(
        visit.page.get_by_role("button", name="重新提问" if options["locale"] == "zh-CN" else "Ask again")
    ).to_be_in_viewport(ratio=1)
    visit.shoot(f"{name}-6-trouble")
    assert not severe(visit)
    assert fits(visit)
    visit.page.locator("#key").click()
    visit.shoot(f"{name}-7-key")
    assert not severe(visit)
    assert fits(visit)


@pytest.mark.parametrize(
    "size", [(740, 360), (360, 420), (320, 560), (880, 600)], ids=lambda size: "x".join(map(str, size))
)
def test_in_a_low_or_narrow_window_nothing_is_cut(begin: Begin, size: tuple[int, int]) -> None:
    """A phone on its side, one with its keyboard open, a small one, and a desk that is zoomed."""
    width, height = size
    visit = begin(viewport={"width": width, "height": height})
    visit.choose(*[DEMO] * 8)
    visit.add(DEMO.read_bytes())
    expect(visit.page.get_by_role("alert")).to_be_visible()
    visit.question.fill("What do you see here? " * 20)
    expect(visit.thumbnails.last).to_be_in_viewport()
    visit.shoot(f"low-{width}x{height}")
    assert fits(visit)


@pytest.mark.parametrize(("options", "name"), LOOKS)
def test_so_it_is_while_pictures_and_an_answer_come(
    begin: Begin, engine: ScriptedEngine, options: dict[str, Any], name: str
) -> None:
    visit = begin(**options, script=SLOWLY, reduced_motion="reduce")
    visit.add(DEMO.read_bytes(), DEMO.read_bytes())
    ready(visit)
    visit.ask(TEXTS[options["locale"][:2]][0])
    visit.shoot(f"{name}-8-held")
    assert not severe(visit)
    assert fits(visit)
    engine.script = [60.0]
    ready(visit)
    expect(visit.page.locator(".waiting")).to_be_visible()
    visit.shoot(f"{name}-9-waiting")
    assert not severe(visit)
    assert fits(visit)


def test_control_what_is_not_accessible_is_found(visit: Visit) -> None:
    visit.page.evaluate("document.getElementById('menu').parentElement.append(document.createElement('button'))")
    visit.page.evaluate("document.querySelector('.welcome p').style.color = '#ccc'")
    assert {line.partition(":")[0] for line in severe(visit)} == {"button-name", "color-contrast"}


def test_control_what_does_not_fit_is_found(begin: Begin) -> None:
    visit = begin(**PHONE)
    assert fits(visit)
    visit.page.evaluate("document.querySelector('.welcome').style.minWidth = '400px'")
    assert not fits(visit)
    visit.page.evaluate("document.querySelector('.welcome').style.minWidth = ''")
    assert fits(visit)
    visit.page.evaluate("document.getElementById('question').style.minHeight = '900px'")
    assert not fits(visit)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_the_system_s(begin: Begin, scheme: str) -> None:
    visit = begin(color_scheme=scheme)
    red, *_ = visit.page.evaluate(
        "getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/g).map(Number)"
    )
    assert (red > 200) is (scheme == "light")


def test_on_a_phone_the_list_is_a_drawer(begin: Begin) -> None:
    visit = begin(**PHONE, reduced_motion="reduce")
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    drawer, menu = visit.page.locator("#shelf"), visit.page.get_by_role("button", name="Conversations")
    expect(drawer).to_be_hidden()
    menu.tap()
    expect(drawer).to_be_visible()
    expect(visit.page.get_by_role("button", name="New conversation")).to_be_focused()
    visit.shoot("phone-en-light-4-drawer")
    assert not severe(visit)
    visit.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()
    menu.tap()
    visit.page.get_by_role("button", name="New conversation").tap()
    expect(drawer).to_be_hidden()
    expect(visit.page.get_by_role("heading", name="Ask about a picture")).to_be_visible()


def test_on_a_phone_everything_is_large_enough_for_a_thumb(begin: Begin) -> None:
    visit = begin(**PHONE, reduced_motion="reduce")
    visit.choose(DEMO)
    assert small(visit) == []
    assert visit.page.evaluate("document.querySelector('.row').clientHeight") == 44  # And no larger than it needs.
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    visit.page.get_by_role("button", name="Conversations").tap()
    assert small(visit) == []
    visit.page.evaluate(
        "document.getElementById('menu').style.minWidth = document.getElementById('menu').style.width = '30px'"
    )
    assert small(visit) == ["menu"]  # The control.


def small(visit: Visit) -> list[str]:
    """What can be touched and is smaller than 44 pixels."""
    found: list[str] = visit.page.evaluate("""() => [...document.querySelectorAll("button, summary, textarea")]
        .filter((one) => one.checkVisibility())
        .filter((one) => one.getBoundingClientRect().width < 44 || one.getBoundingClientRect().height < 44)
        .map((one) => one.id || one.outerHTML)""")
    return found


def test_less_motion_is_less(begin: Begin, engine: ScriptedEngine) -> None:
    engine.script = [60.0]
    for motion, expected in {"no-preference": "breathe", "reduce": "none"}.items():
        visit = begin(reduced_motion=motion)
        visit.ask("What colour is it?")
        expect(visit.page.locator(".waiting")).to_have_css("animation-name", expected)
