"""When something is wrong, people are told what, in their own words, and lose nothing."""

import json

import pytest
from playwright.sync_api import Route, expect

from service.vision.engine.protocol import JobFailed
from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import Visit
from tests.service.vision.running import Running, picture
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import KEY

API = "**/v1/chat/completions"
TOLD = [
    (403, "not_allowed", None, "not allowed to ask here", "无权在此提问"),
    (413, "request_too_large", None, "too large. Send fewer or smaller pictures", "请减少或缩小图片"),
    (429, "rate_limit_exceeded", 1, "Ask again in a second.", "1 秒后再试"),
    (429, "queue_full", 12, "Ask again in 12 seconds.", "12 秒后再试"),
    (503, "unavailable", None, "not available at the moment", "模型暂时不可用"),
    (503, "engine_loading", 5, "Ask again in 5 seconds.", "5 秒后再试"),
    (504, "timeout", None, "It took too long", "等待时间过长"),
    (408, "request_timeout", None, "It took too long", "等待时间过长"),
    (500, "out_of_memory", None, "failed at this question", "处理此问题时出错"),
    (400, "too_many_images", None, "more pictures in this conversation than the model takes", "超过了模型的上限"),
    (400, "context_length_exceeded", None, "longer than the model can remember", "超出了模型的记忆长度"),
    (400, "image_broken", None, "could not read a picture", "无法读取一张图片"),
    (400, "image_too_stretched", None, "longer than it is wide", "过长或过宽"),
    (400, "invalid_value", None, "did not take this question: as it came", "没有接受此问题：as it came"),
]


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
def test_every_refusal_is_told_in_plain_words(begin: Begin, chinese: bool) -> None:
    visit = begin(locale="zh-CN" if chinese else "en-US")
    refusals = iter(TOLD)

    def refuse(route: Route) -> None:
        status, code, wait, *_ = next(refusals, TOLD[-1])
        headers = {"content-type": "application/json", **({"retry-after": str(wait)} if wait else {})}
        body = json.dumps({"error": {"message": "as it came", "type": "x", "param": None, "code": code}})
        route.fulfill(status=status, headers=headers, body=body)

    visit.page.route(API, refuse)
    visit.ask("?")
    for *_, english, chinese_words in TOLD:
        expect(visit.page.locator(".trouble")).to_contain_text(chinese_words if chinese else english)
        visit.page.get_by_role("button", name="重新提问" if chinese else "Ask again").click()


def test_an_answer_that_is_no_json_is_told_too(visit: Visit) -> None:
    visit.page.route(API, lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>"))
    visit.ask("?")
    expect(visit.page.locator(".trouble")).to_contain_text("The server failed at this question.")


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
    expect(visit.page.locator(".trouble")).to_contain_text("Ask again in 5 seconds.")


def test_a_failure_in_the_middle_keeps_what_came(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It is", JobFailed("no memory", "out_of_memory", again=False)]
    visit.ask("What colour is it?")
    visit.answered("It is")
    expect(visit.page.locator(".trouble")).to_contain_text("What came is kept.")


def test_a_stream_that_just_ends_is_no_answer(visit: Visit) -> None:
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "It"}, "finish_reason": None}]})
    visit.page.route(API, lambda route: route.fulfill(content_type="text/event-stream", body=f"data: {chunk}\n\n"))
    visit.ask("What colour is it?")
    visit.answered("It")
    expect(visit.page.locator(".trouble")).to_contain_text("The connection broke")


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
    visit.choose(picture("red"))
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
    assert len(engine.jobs[0].pictures) == 1


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
