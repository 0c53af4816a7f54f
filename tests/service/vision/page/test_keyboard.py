"""Everything without a mouse, and always visible where one is."""

from playwright.sync_api import expect

from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import Visit
from tests.service.vision.running import picture
from tests.service.vision.scripted import ScriptedEngine

FOCUSED = """() => {
    const one = document.activeElement;
    if (one === document.body) return null; // Between the last and the first.
    const style = getComputedStyle(one.id === "question" ? one.closest("form") : one);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return [one.id || one.className || one.textContent.trim(), ring || style.boxShadow.includes("0px 0px 0px 1px")];
}"""


def walk(visit: Visit, steps: int, key: str = "Tab") -> dict[str, bool]:
    """What the key leads to, and whether one sees that."""
    found = {}
    for _ in range(steps):
        visit.page.keyboard.press(key)
        if found_now := visit.page.evaluate(FOCUSED):
            found[found_now[0]] = found_now[1]
    return found


def test_every_control_is_reached_and_seen(visit: Visit) -> None:
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    visit.question.fill("more")
    found = walk(visit, 20)
    assert {
        "new",
        "pick",
        "round",
        "clear",
        "language",
        "key",
        "scroller",
        "plain",
        "question",
        "choose",
        "send",
        "skip",
    } <= set(found)
    assert all(found.values()), found


def test_control_a_focus_that_is_not_seen_is_found(visit: Visit) -> None:
    visit.page.evaluate("document.getElementById('language').style.outline = 'none'")
    assert [name for name, seen in walk(visit, 14).items() if not seen] == ["language"]


def test_a_whole_conversation(visit: Visit, engine: ScriptedEngine) -> None:
    keyboard = visit.page.keyboard
    expect(visit.question).to_be_focused()
    keyboard.press("Tab")
    expect(visit.page.locator("#choose")).to_be_focused()
    with visit.page.expect_file_chooser() as dialogue:
        keyboard.press("Enter")
    dialogue.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": picture("red")})
    expect(visit.thumbnails).to_have_count(1)
    expect(visit.question).to_be_focused()
    keyboard.type("What colour is it?")
    keyboard.press("Enter")
    visit.answered("It is red.")
    engine.script = ["<think>hm</think>", "Yes", 60.0]
    keyboard.type("Sure?")
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(visit.send).to_be_focused()
    keyboard.press("Enter")
    expect(visit.answers.last).to_have_text("Yes")
    expect(visit.send).to_be_focused()
    keyboard.press("Space")  # The same button is now the one that stops.
    visit.answered("Yes", 2)
    visit.until(lambda: engine.generations[-1].cancelled)


def test_a_picture_is_removed_and_focus_is_not_lost(visit: Visit) -> None:
    visit.choose(picture("red"), picture("blue"))
    for left in (1, 0):
        visit.page.get_by_role("button", name="Remove picture 1").focus()
        visit.page.keyboard.press("Enter")
        expect(visit.thumbnails).to_have_count(left)
    expect(visit.question).to_be_focused()


def test_the_first_key_skips_to_the_question(begin: Begin) -> None:
    visit = begin(has_touch=True, is_mobile=True)  # There, nothing has the focus at first.
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the question")).to_be_focused()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.type("here")
    expect(visit.question).to_have_value("here")
