"""How much a question may hold is the service's to say; and nothing leaves without its pictures."""

import io
import os
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.test_pictures import sent
from tests.service.vision.page.visit import Visit
from tests.service.vision.running import picture
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import Served, served

SLOWLY = """
    const original = createImageBitmap;
    window.waiting = [];
    window.createImageBitmap = async (...given) => {
        await new Promise((resolve) => waiting.push(resolve));
        return original(...given);
    };
"""
LIMITS = {"max_pictures": 2, "max_pixels": 40_000, "max_picture_bytes": 18_000, "max_body_bytes": 35_000}


def ready(visit: Visit) -> None:
    """Let the picture that is being read be read."""
    visit.until(lambda: visit.page.evaluate("waiting.length") > 0)
    visit.page.evaluate("waiting.shift()()")


def noise(width: int, height: int) -> bytes:
    """A picture that no format makes small."""
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), os.urandom(3 * width * height)).save(file, "PNG")
    return file.getvalue()


def test_a_question_waits_for_its_pictures(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(script=SLOWLY)
    visit.add(picture("red", (30, 20)), picture("blue", (40, 20)))
    visit.ask("What colours?")
    expect(visit.send).to_have_accessible_name("Sends when the pictures are ready")
    expect(visit.page.locator("#hint")).to_have_text("Sends when the pictures are ready")
    expect(visit.page.locator("#pictures .coming")).to_have_count(2)
    ready(visit)
    expect(visit.thumbnails).to_have_count(1)
    expect(visit.question).to_have_value("What colours?")
    assert not engine.jobs
    ready(visit)
    visit.answered("It is red.")
    assert [one.width for one in engine.jobs[0].pictures] == [30, 40]
    expect(visit.page.locator("#hint")).to_have_text("Enter sends, Shift+Enter begins a line")


def test_they_stand_in_the_order_in_which_they_came(begin: Begin) -> None:
    visit = begin(script=SLOWLY)
    visit.add(picture("red", (30, 20)))
    visit.add(picture("blue", (40, 20)))
    expect(visit.page.locator("#pictures .coming")).to_have_count(2)
    visit.until(lambda: visit.page.evaluate("waiting.length") > 0)
    visit.page.wait_for_timeout(100)  # For the second one to begin, if it would not wait for the first.
    visit.page.evaluate("waiting.pop()()")
    expect(visit.thumbnails).to_have_count(1)
    ready(visit)
    expect(visit.thumbnails).to_have_count(2)
    assert visit.page.evaluate("[...document.querySelectorAll('#pictures img')].map((one) => one.naturalWidth)") == [
        30,
        40,
    ]


def test_a_picture_that_fails_keeps_the_question_back(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(script=SLOWLY)
    visit.add(picture("red"), b"hello")
    visit.ask("What colour?")
    ready(visit)
    ready(visit)
    expect(visit.page.get_by_role("alert")).to_contain_text("“1.png” could not be read as a picture.")
    expect(visit.send).to_have_accessible_name("Send")
    expect(visit.question).to_have_value("What colour?")
    expect(visit.thumbnails).to_have_count(1)
    assert not engine.jobs
    visit.question.press("Enter")
    visit.answered("It is red.")
    assert len(engine.jobs[0].pictures) == 1


def test_a_question_that_waits_does_not_go_into_another_conversation(begin: Begin, engine: ScriptedEngine) -> None:
    visit = begin(script=SLOWLY)
    visit.add(picture("red"))
    visit.ask("What colour?")
    visit.page.get_by_role("button", name="New conversation").click()
    ready(visit)
    expect(visit.thumbnails).to_have_count(1)
    expect(visit.question).to_have_value("What colour?")
    expect(visit.page.locator(".asked")).to_have_count(0)
    assert not engine.jobs


def test_more_than_the_service_takes_are_told_at_once(visit: Visit, engine: ScriptedEngine) -> None:
    visit.choose(*[picture("red")] * 5)
    visit.ask("First?")
    visit.answered("It is red.")
    visit.add(picture("blue"), picture("blue"))
    visit.add(picture("blue"), picture("blue"), name="more {}.png")  # While the first two are being read.
    expect(visit.page.get_by_role("alert")).to_contain_text("a conversation can hold 8")
    expect(visit.thumbnails).to_have_count(3)
    visit.ask("Second?")
    visit.answered("It is red.", 2)
    assert len(engine.jobs[-1].pictures) == 8


def test_pictures_are_counted_again_where_they_are_sent(visit: Visit, engine: ScriptedEngine) -> None:
    """They were chosen for another conversation."""
    visit.choose(*[picture("red")] * 6)
    visit.ask("First?")
    visit.answered("It is red.")
    visit.page.get_by_role("button", name="New conversation").click()
    visit.choose(*[picture("blue")] * 3)
    visit.page.get_by_role("button", name="First?", exact=True).click()
    visit.ask("Second?")
    expect(visit.page.get_by_role("alert")).to_contain_text("a conversation can hold 8")
    expect(visit.question).to_have_value("Second?")
    visit.page.get_by_role("button", name="Remove picture 1").click()
    visit.question.press("Enter")
    visit.answered("It is red.", 2)
    assert len(engine.jobs[-1].pictures) == 8


def test_without_the_service_no_picture_is_taken_and_later_it_is(visit: Visit, engine: ScriptedEngine) -> None:
    visit.context.set_offline(True)
    visit.question.fill("What colour?")
    visit.add(picture("red"))
    visit.question.press("Enter")  # Quicker than reading what is told by now, perhaps.
    expect(visit.page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    expect(visit.question).to_have_value("What colour?")
    visit.context.set_offline(False)
    visit.add(picture("red"))
    expect(visit.thumbnails).to_have_count(1)
    visit.question.press("Enter")
    visit.answered("It is red.")
    assert len(engine.jobs[0].pictures) == 1


def test_a_picture_that_failed_just_now_keeps_the_question_back_once(visit: Visit, engine: ScriptedEngine) -> None:
    visit.question.fill("What colour?")
    visit.add(b"hello")
    expect(visit.page.get_by_role("alert")).to_contain_text("could not be read as a picture")
    visit.question.press("Enter")
    expect(visit.page.locator(".asked")).to_have_count(0)
    visit.question.press("Enter")
    visit.answered("It is red.")
    visit.add(b"hello")
    expect(visit.page.get_by_role("alert")).to_contain_text("could not be read as a picture")
    visit.ask("Sure?")  # Who writes on has seen it.
    visit.answered("It is red.", 2)


@pytest.fixture(scope="module")
def narrow_service() -> Iterator[Served]:
    with served(ScriptedEngine(), **LIMITS) as found:
        yield found


@pytest.fixture
def narrow(browser: Browser, narrow_service: Served) -> Iterator[Visit]:
    """A visit to a service that takes little."""
    visit = Visit.begin(browser, narrow_service.address)
    yield visit
    visit.end()


def test_the_service_s_own_limits_count(narrow: Visit) -> None:
    narrow.choose(picture("red", (400, 300)), noise(150, 100))
    narrow.add(picture("blue"))
    expect(narrow.page.get_by_role("alert")).to_contain_text("a conversation can hold 2")
    narrow.ask("What colours?")
    narrow.answered("It is red.")
    large, noisy = sent(narrow)
    assert 0.95 * 40_000 < large.width * large.height <= 40_000
    assert (noisy.format, noisy.size) == ("JPEG", (150, 100))  # As PNG it has 45 kB.


def test_a_request_would_be_too_long(narrow: Visit) -> None:
    narrow.choose(noise(200, 150))
    narrow.add(noise(200, 150))
    expect(narrow.page.get_by_role("alert")).to_contain_text("The question with its pictures is too large.")
    expect(narrow.thumbnails).to_have_count(1)
    narrow.ask("What is it? " * 4_000)
    expect(narrow.page.get_by_role("alert")).to_contain_text("The question with its pictures is too large.")
    assert not [request for request in narrow.requests if request.method == "POST"]


def test_a_file_that_cannot_be_made_small_enough(narrow: Visit) -> None:
    narrow.add(noise(230, 170))
    expect(narrow.page.get_by_role("alert")).to_contain_text("“0.png” is too large a file for this service.")
    expect(narrow.thumbnails).to_have_count(0)
