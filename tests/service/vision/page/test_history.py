"""What stays in the browser, and what does not."""

from playwright.sync_api import expect

from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import Visit
from tests.service.vision.running import picture
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import KEY

COUNT = """() => new Promise((resolve) => {
    indexedDB.open("casemate").onsuccess = ({ target }) => {
        target.result.transaction("conversations").objectStore("conversations").count().onsuccess =
            (event) => resolve(event.target.result);
    };
})"""


def asked(visit: Visit, *questions: str) -> None:
    """Each in a conversation of its own."""
    for text in questions:
        visit.page.get_by_role("button", name="New conversation").click()
        visit.choose(picture("red"))
        visit.ask(text)
        visit.answered("It is red.")


def test_a_reload_keeps_it_and_it_goes_on(visit: Visit, engine: ScriptedEngine) -> None:
    asked(visit, "What colour is it?")
    visit.open()
    visit.page.get_by_role("button", name="What colour is it?", exact=True).click()
    visit.answered("It is red.")
    visit.page.wait_for_function("document.querySelector('.asked img').naturalWidth === 30")
    visit.ask("Sure?")
    visit.answered("It is red.", 2)
    assert [(turn.role, len(turn.pictures)) for turn in engine.jobs[-1].turns] == [
        ("user", 1),
        ("assistant", 0),
        ("user", 0),
    ]


def test_what_was_being_answered_when_the_page_was_left_can_be_asked_again(
    visit: Visit, engine: ScriptedEngine
) -> None:
    engine.script = ["It", 60.0]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It")
    visit.open()
    visit.until(lambda: engine.generations[0].cancelled)
    engine.script = ["Red."]
    visit.page.get_by_role("button", name="What colour is it?", exact=True).click()
    visit.page.get_by_role("button", name="Ask again").click()
    visit.answered("Red.")


def test_one_can_be_deleted(visit: Visit) -> None:
    asked(visit, "First?", "Second?")
    titles = visit.page.locator("#conversations .pick")
    expect(titles).to_have_text(["Second?", "First?"])
    visit.page.get_by_role("button", name="Delete “First?”").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(titles).to_have_count(2)
    visit.page.get_by_role("button", name="Delete “First?”").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(titles).to_have_text(["Second?"])
    visit.open()
    expect(titles).to_have_text(["Second?"])


def test_all_can_be_deleted(visit: Visit) -> None:
    asked(visit, "First?", "Second?")
    assert visit.page.evaluate(COUNT) == 2
    visit.page.get_by_role("button", name="Delete all").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(visit.page.locator("#conversations .pick")).to_have_count(0)
    expect(visit.page.get_by_role("heading", name="Ask about a picture")).to_be_visible()
    assert visit.page.evaluate(COUNT) == 0


def test_a_browser_without_room_says_so_and_answers_all_the_same(visit: Visit) -> None:
    quota = {"origin": visit.address, "quotaSize": 1000}
    visit.context.new_cdp_session(visit.page).send("Storage.overrideQuotaForOrigin", quota)
    visit.choose(picture("red", (300, 200)))
    visit.ask("What colour is it? " * 200)
    visit.answered("It is red.")
    expect(visit.page.get_by_role("alert")).to_contain_text("This browser has no room left")


def test_a_browser_that_keeps_nothing_says_so_and_answers_all_the_same(begin: Begin) -> None:
    visit = begin(script="IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }")
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    expect(visit.page.get_by_role("alert")).to_contain_text("This browser keeps nothing")


def test_the_key_is_in_this_tab_only(visit: Visit) -> None:
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    assert visit.page.evaluate("Object.entries(sessionStorage).filter(([name]) => name !== 'visited')") == [
        ["casemate.key", KEY]
    ]
    assert visit.page.evaluate("JSON.stringify(localStorage)") == "{}"
    assert visit.page.evaluate("document.cookie") == ""
    assert not [request.url for request in visit.requests if KEY in request.url]
