"""Asking, and the answer as it comes."""

import re

import pytest
from playwright.sync_api import expect

from service.vision.engine.protocol import JobFailed
from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import Visit
from tests.service.vision.running import Running, picture
from tests.service.vision.scripted import ScriptedEngine


def test_a_picture_a_question_and_the_answer(visit: Visit, engine: ScriptedEngine, service: Running) -> None:
    visit.choose(picture("red", (30, 20)))
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    (job,) = engine.jobs
    assert job.turns[0].texts == ("What colour is it?",)
    assert [(one.width, one.height) for one in job.pictures] == [(30, 20)]
    expect(visit.page.locator(".asked img")).to_have_count(1)
    expect(visit.thumbnails).to_have_count(0)
    expect(visit.question).to_have_value("")
    limits, line = service.lines(2)  # Of page and assets there is none.
    assert (limits["principal"], limits["route"], limits["status"]) == ("demo", "/v1/models", 200)
    assert (line["principal"], line["stream"], line["status"]) == ("demo", True, 200)


def test_the_text_grows_while_the_model_speaks(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["One", 0.5, " two", 0.5, " three"]
    visit.ask("Count.")
    for so_far in ("One", "One two"):
        expect(visit.answers).to_have_text(so_far)
        expect(visit.page.locator(".answered")).to_have_attribute("aria-busy", "true")
    visit.answered("One two three")


def test_stop_keeps_what_came_and_frees_the_model(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It", " is", 60.0, " red."]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It is")
    expect(visit.send).to_have_accessible_name("Stop")
    visit.send.click()
    visit.answered("It is")
    expect(visit.page.locator("p", has_text="You stopped this answer.")).to_be_visible()
    expect(visit.send).to_have_accessible_name("Send")
    visit.until(lambda: engine.generations[0].cancelled)


def test_escape_stops_too(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["It", 60.0]
    visit.ask("What colour is it?")
    expect(visit.answers).to_have_text("It")
    visit.page.keyboard.press("Escape")
    visit.answered("It")


def test_only_the_last_answer_can_be_asked_for_again(visit: Visit, engine: ScriptedEngine) -> None:
    again = visit.page.get_by_role("button", name="Ask again")
    engine.refusal = JobFailed("no memory", "out_of_memory", again=False)
    visit.ask("First?")
    expect(again).to_be_visible()
    engine.refusal, engine.script = None, ["Red", 60.0]
    stale = again.element_handle()
    visit.ask("Second?")
    expect(visit.answers.last).to_have_text("Red")
    expect(again).to_have_count(0)
    stale.evaluate("(button) => button.click()")  # As if somebody had been quicker than the page.
    expect(visit.page.locator(".asked p")).to_have_text(["First?", "Second?"])
    visit.send.click()
    expect(visit.page.get_by_text("You stopped this answer.")).to_be_visible()
    visit.until(lambda: engine.generations[-1].cancelled)
    expect(again).to_have_count(1)
    expect(visit.page.locator(".answered").last.get_by_role("button", name="Ask again")).to_be_visible()
    stale.evaluate("(button) => button.click()")
    engine.script = ["Blue."]
    again.click()
    expect(visit.answers).to_have_text(["", "Blue."])
    expect(again).to_have_count(0)
    assert len(engine.jobs) == 3


def test_while_one_answer_is_on_its_way_no_other_is_begun(visit: Visit) -> None:
    begun = visit.page.evaluate("""async () => {
        const { underway } = await import("/page/underway.js");
        let changes = 0;
        const answers = underway(() => { changes += 1; });
        const first = answers.begin();
        const found = [answers.busy(), answers.begin(), first.aborted];
        answers.stop();
        const second = answers.begin();
        answers.end(first); // It was stopped before, and may not end another one's time.
        found.push(first.aborted, answers.busy(), second.aborted, answers.begin());
        answers.end(second);
        return [...found, answers.busy(), changes];
    }""")
    assert begun == [True, None, False, True, True, False, None, False, 4]


def test_earlier_turns_and_their_pictures_go_along(visit: Visit, engine: ScriptedEngine) -> None:
    visit.choose(picture("red"), picture("blue"))
    visit.ask("What colours?")
    visit.answered("It is red.")
    engine.script = ["Two."]
    visit.ask("How many?")
    visit.answered("Two.", 2)
    turns = engine.jobs[-1].turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert [turn.texts for turn in turns] == [("What colours?",), ("It is red.",), ("How many?",)]
    assert [len(turn.pictures) for turn in turns] == [2, 0, 0]


def test_a_question_without_an_answer_is_not_sent_again_with_the_next(visit: Visit, engine: ScriptedEngine) -> None:
    engine.refusal = JobFailed("no memory", "out_of_memory", again=False)
    visit.choose(picture("red"))
    visit.ask("First?")
    expect(visit.page.locator(".trouble")).to_be_visible()
    engine.refusal = None
    visit.ask("Second?")
    expect(visit.answers.last).to_have_text("It is red.")
    assert [turn.texts for turn in engine.jobs[-1].turns] == [("Second?",)]


def test_thoughts_are_folded_away(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["<think>", "Let me", " look.</think>", "Red."]
    visit.ask("What colour is it?")
    visit.answered("Red.")
    thoughts = visit.page.locator(".thoughts")
    expect(thoughts.locator(".prose")).to_be_hidden()
    thoughts.locator("summary").click()
    expect(thoughts.locator(".prose")).to_have_text("Let me look.")


def test_an_answer_cut_at_its_greatest_length_says_so(visit: Visit, engine: ScriptedEngine) -> None:
    engine.reason = "length"
    visit.ask("Tell me all.")
    expect(visit.page.get_by_text("reached its greatest length")).to_be_visible()


def test_an_answer_can_be_copied(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["**Red**, I think."]
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.ask("What colour is it?")
    visit.page.get_by_role("button", name="Copy").click()
    expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
    assert visit.page.evaluate("navigator.clipboard.readText()") == "**Red**, I think."


def test_shift_enter_makes_a_line(visit: Visit, engine: ScriptedEngine) -> None:
    visit.question.press_sequentially("One")
    visit.question.press("Shift+Enter")
    visit.question.press_sequentially("two")
    expect(visit.question).to_have_value("One\ntwo")
    visit.question.press("Enter")
    visit.answered("It is red.")
    assert engine.jobs[0].turns[0].texts == ("One\ntwo",)


def test_enter_that_chooses_a_word_does_not_send(visit: Visit, engine: ScriptedEngine) -> None:
    visit.question.focus()
    browser = visit.context.new_cdp_session(visit.page)
    browser.send("Input.imeSetComposition", {"text": "hong", "selectionStart": 4, "selectionEnd": 4})
    expect(visit.question).to_have_value("hong")
    visit.page.evaluate("""() => {
        window.composed = [];
        question.addEventListener("keydown", (event) => composed.push([event.isComposing, event.keyCode]), true);
    }""")
    # As Chromium tells an Enter that the input method takes; then as Safari does, after the composition's end.
    key = {
        "type": "rawKeyDown",
        "key": "Enter",
        "code": "Enter",
        "windowsVirtualKeyCode": 229,
        "nativeVirtualKeyCode": 13,
    }
    browser.send("Input.dispatchKeyEvent", key)
    browser.send("Input.insertText", {"text": "红"})
    browser.send("Input.dispatchKeyEvent", key)
    expect(visit.question).to_have_value("红")
    assert visit.page.evaluate("composed") == [[True, 229], [False, 229]]
    assert not engine.jobs
    visit.question.press("Enter")  # The control: the same key, when nothing is composed.
    visit.answered("It is red.")
    assert engine.jobs[0].turns[0].texts == ("红",)


def test_an_empty_question_is_not_sent(visit: Visit, engine: ScriptedEngine) -> None:
    expect(visit.send).to_be_disabled()
    visit.ask("  ")
    expect(visit.page.locator(".asked")).to_have_count(0)
    assert not engine.jobs


def test_what_is_spoken_comes_in_few_pieces(visit: Visit, engine: ScriptedEngine) -> None:
    visit.page.evaluate("""() => {
        window.spoken = [];
        new MutationObserver(() => window.spoken.push(document.getElementById("spoken").textContent))
            .observe(document.getElementById("spoken"), { childList: true });
    }""")
    engine.script = ["word "] * 200
    visit.ask("Say it.")
    visit.answered(re.sub(r"\s+$", "", "word " * 200))
    expect(visit.page.locator("#spoken")).to_contain_text("The answer is complete. word word")
    assert len(visit.page.evaluate("spoken")) <= 3


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW", "en-GB", "de-DE"])
def test_the_language_is_the_browser_s(begin: Begin, locale: str) -> None:
    chinese = locale.startswith("zh")
    visit = begin(locale=locale)
    expect(visit.page.get_by_role("heading", name="就图片提问" if chinese else "Ask about a picture")).to_be_visible()
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN" if chinese else "en")


def test_the_language_can_be_switched_and_stays(visit: Visit) -> None:
    visit.ask("What colour is it?")
    visit.answered("It is red.")
    visit.page.get_by_role("button", name="中文").click()
    expect(visit.page.get_by_role("button", name="复制")).to_be_visible()
    expect(visit.question).to_have_attribute("placeholder", "就图片提问……")
    visit.answered("It is red.")
    visit.open()
    expect(visit.page.get_by_role("heading", name="就图片提问")).to_be_visible()
    expect(visit.page.get_by_role("button", name="English")).to_be_visible()


def test_the_language_can_be_switched_while_an_answer_comes(visit: Visit, engine: ScriptedEngine) -> None:
    engine.refusal = JobFailed("no memory", "out_of_memory", again=False)
    visit.ask("First?")
    expect(visit.page.locator(".trouble")).to_be_visible()
    engine.refusal, engine.script = None, ["It is", 0.5, " red."]
    visit.ask("Second?")
    expect(visit.answers.last).to_have_text("It is")
    visit.page.get_by_role("button", name="中文").click()
    expect(visit.page.locator(".trouble")).to_contain_text("模型的内存不足")
    visit.answered("It is red.", 2)
