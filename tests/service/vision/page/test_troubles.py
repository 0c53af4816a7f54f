"""When something is wrong, people are told what, in their own words, and lose nothing."""

import json

from playwright.sync_api import Route, expect

from service.vision.engine.protocol import JobFailed
from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import API, Visit
from tests.service.vision.running import Running, picture
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import KEY


def test_an_answer_that_is_no_json_is_told_too(visit: Visit) -> None:
    visit.page.route(API, lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>"))
    visit.ask("?")
    expect(visit.page.locator(".trouble")).to_have_text(
        "The server failed at this question. Ask again; if it goes on, tell who runs it."
    )


def test_a_full_queue(visit: Visit, service: Running) -> None:
    others = service.serving.admission.enter("bob", 6)
    try:
        visit.ask("What colour is it?")
        expect(visit.page.locator(".trouble")).to_contain_text("Too much is being asked at the moment. Ask again in")
    finally:
        others.leave()
    visit.page.get_by_role("button", name="Ask again").click()
    visit.answered("It is red.")


def test_a_model_that_is_still_loading(visit: Visit, engine: ScriptedEngine) -> None:
    engine.state = "loading"
    visit.ask("What colour is it?")
    expect(visit.page.locator(".trouble")).to_have_text(
        "The model is being loaded, which can take minutes. Ask again in 5 seconds."
    )


def test_a_failure_in_the_middle_keeps_what_came(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It is", JobFailed("no memory", "out_of_memory", again=False)]
    visit.ask("What colour is it?")
    visit.answered("It is")
    expect(visit.page.locator(".trouble")).to_contain_text("The model had not enough memory for this question.")


def test_a_stream_that_just_ends_is_no_answer(visit: Visit) -> None:
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "It"}, "finish_reason": None}]})
    visit.page.route(API, lambda route: route.fulfill(content_type="text/event-stream", body=f"data: {chunk}\n\n"))
    visit.ask("What colour is it?")
    visit.answered("It")
    expect(visit.page.locator(".trouble")).to_have_text(
        "The connection broke before the answer was complete. What came is kept."
    )


def test_no_network(visit: Visit) -> None:
    visit.choose(picture("red"))
    visit.context.set_offline(True)
    visit.ask("What colour is it?")
    expect(visit.page.locator(".trouble")).to_contain_text("The server cannot be reached.")
    visit.context.set_offline(False)
    visit.page.get_by_role("button", name="Ask again").click()
    visit.answered("It is red.")


def test_without_a_key_it_is_asked_for_and_the_question_goes_on(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(key=None)
    visit.ask("What colour is it?")
    dialog = visit.page.get_by_role("dialog", name="Your API key")
    expect(dialog).to_contain_text("Enter the key that you were given")
    dialog.get_by_label("API key").fill("no key has blanks")
    dialog.get_by_label("API key").press("Enter")
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("API key").fill(KEY)
    visit.shoot("desk-en-light-4-key")
    dialog.get_by_role("button", name="Use this key").click()
    visit.answered("It is red.")
    assert len(engine.jobs) == 1


def test_a_picture_wants_the_key_too_and_waits_for_it(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(key=None)
    visit.add(picture("red"), picture("blue"))
    dialog = visit.page.get_by_role("dialog", name="Your API key")
    dialog.get_by_role("button", name="Cancel").click()
    expect(visit.page.get_by_role("alert")).to_have_text("The service wants an API key.")
    expect(visit.thumbnails).to_have_count(0)
    visit.add(picture("red"), picture("blue"))
    dialog.get_by_label("API key").fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    expect(visit.thumbnails).to_have_count(2)
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    assert len(engine.jobs[0].pictures) == 2


def test_who_is_asked_for_the_key_already_is_not_asked_anew(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(key=None)
    visit.ask("What colour is it?")
    field = visit.page.get_by_role("dialog", name="Your API key").get_by_label("API key")
    field.fill(KEY)
    visit.add(picture("red"))  # Pasted, say.
    visit.page.wait_for_event("requestfinished", lambda request: request.url.endswith("/v1/models"))
    expect(field).to_have_value(KEY)
    field.press("Enter")
    visit.answered("It is red.")
    expect(visit.thumbnails).to_have_count(1)


def test_a_refused_key_is_forgotten_and_asked_for_anew(begin: Begin) -> None:
    visit = begin(key="csm_bad")
    visit.ask("What colour is it?")
    dialog = visit.page.get_by_role("dialog", name="Your API key")
    expect(dialog).to_contain_text("The key was refused")
    assert visit.page.evaluate("sessionStorage.getItem('casemate.key')") is None
    dialog.get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".trouble")).to_have_text("The service wants an API key.")


def test_signing_out_forgets_the_key(visit: Visit) -> None:
    visit.page.get_by_role("button", name="API key").click()
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("The key is forgotten.")
    assert visit.page.evaluate("sessionStorage.getItem('casemate.key')") is None
    visit.ask("What colour is it?")
    expect(visit.page.get_by_role("dialog", name="Your API key")).to_be_visible()


def test_where_the_door_knows_people_otherwise_no_key_is_needed(begin: Begin) -> None:
    """As with a session's cookie: the door lets this tab in, and the page sends no Authorization."""
    visit = begin(key=None)

    def let_in(route: Route) -> None:
        assert "authorization" not in route.request.headers
        route.continue_(headers={**route.request.headers, "authorization": f"Bearer {KEY}"})

    visit.page.route(API, let_in)
    visit.ask("What colour is it?")
    visit.answered("It is red.")
