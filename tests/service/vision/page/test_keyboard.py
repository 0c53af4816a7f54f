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


def test_escape_that_gives_up_a_word_stops_no_answer(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It", 60.0]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It")
    browser = visit.context.new_cdp_session(visit.page)
    browser.send("Input.imeSetComposition", {"text": "hong", "selectionStart": 4, "selectionEnd": 4})
    visit.page.evaluate("""() => {
        window.composed = [];
        document.addEventListener("keydown", (event) => composed.push([event.isComposing, event.keyCode]), true);
    }""")
    key = {"type": "rawKeyDown", "key": "Escape", "code": "Escape", "nativeVirtualKeyCode": 27}
    browser.send("Input.dispatchKeyEvent", {**key, "windowsVirtualKeyCode": 229})
    browser.send("Input.imeSetComposition", {"text": "", "selectionStart": 0, "selectionEnd": 0})
    browser.send("Input.dispatchKeyEvent", {**key, "windowsVirtualKeyCode": 229})  # As Safari tells it, afterwards.
    assert visit.page.evaluate("composed") == [[True, 229], [False, 229]]
    expect(visit.send).to_have_accessible_name("Stop")
    visit.page.keyboard.press("Escape")  # The control.
    expect(visit.send).to_have_accessible_name("Send")


def test_escape_closes_the_drawer_and_stops_no_answer(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    engine.script = ["It", 60.0]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It")
    for where in ("#new", "body"):  # Where the focus is.
        visit.page.get_by_role("button", name="Conversations").click()
        visit.page.evaluate("(where) => where === 'body' ? document.activeElement.blur() : null", where)
        visit.page.keyboard.press("Escape")
        expect(visit.page.locator("#shelf")).to_be_hidden()
        expect(visit.send).to_have_accessible_name("Stop")
    visit.page.keyboard.press("Escape")
    expect(visit.send).to_have_accessible_name("Send")


def test_the_focus_stays_in_the_list_of_conversations(visit: Visit) -> None:
    for text in ("First?", "Second?", "Third?"):
        visit.page.get_by_role("button", name="New conversation").click()
        visit.ask(text)
        visit.answered("It is red.")
    for removed, next_one in (("Second?", "First?"), ("First?", "Third?")):
        visit.page.get_by_role("button", name=f"Delete “{removed}”").focus()
        visit.page.keyboard.press("Enter")
        visit.page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
        expect(visit.page.get_by_role("button", name=f"Delete “{next_one}”")).to_be_focused()


def test_the_focus_stays_there_too_when_an_answer_ends_meanwhile(visit: Visit, engine: ScriptedEngine) -> None:
    visit.ask("First?")
    visit.answered("It is red.")
    visit.page.get_by_role("button", name="New conversation").click()
    engine.script = ["It is", 0.5, " blue."]
    visit.ask("Second?")
    expect(visit.answers).to_have_text("It is")
    visit.page.get_by_role("button", name="Delete “First?”").click()
    visit.answered("It is blue.")
    visit.page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(visit.page.get_by_role("button", name="Delete “Second?”")).to_be_focused()


def test_an_answer_that_ends_takes_no_focus_away(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It is", 0.5, " red."]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It is")
    pick = visit.page.locator("#conversations .pick")
    pick.focus()
    visit.answered("It is red.")
    expect(pick).to_be_focused()


def test_a_notice_that_is_closed_leaves_the_focus_with_the_question(visit: Visit) -> None:
    visit.page.locator("#files").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"})
    visit.page.get_by_role("button", name="Close").press("Enter")
    expect(visit.page.get_by_role("alert")).to_be_hidden()
    expect(visit.question).to_be_focused()


def test_the_first_key_skips_to_the_question(begin: Begin) -> None:
    visit = begin(has_touch=True, is_mobile=True)  # There, nothing has the focus at first.
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the question")).to_be_focused()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.type("here")
    expect(visit.question).to_have_value("here")
