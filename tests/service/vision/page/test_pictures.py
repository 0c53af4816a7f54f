"""The ways that a picture comes in, and what goes out of it."""

import base64
import io
import json
import os
from typing import Any

from PIL import Image
from playwright.sync_api import FilePayload, expect

from tests.service.vision.page.visit import Visit
from tests.service.vision.running import picture
from tests.service.vision.scripted import ScriptedEngine

GPS = 0x8825
DROP = """(event) => {
    const [kind, bytes] = event;
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(bytes)], "dropped.png", { type: "image/png" }));
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
COPY = """async (bytes) => {
    const blob = new Blob([Uint8Array.from(bytes)], { type: "image/png" });
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
}"""


def sent(visit: Visit) -> list[Image.Image]:
    """The pictures in the last request."""
    asked = [request for request in visit.requests if request.url.endswith("/v1/chat/completions")][-1]
    parts: list[dict[str, Any]] = json.loads(asked.post_data or "")["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


def photograph() -> bytes:
    """4000 x 3000 with the camera held upright, its place and its maker in it."""
    image = Image.new("RGB", (4000, 3000), "white")
    image.paste("red", (0, 0, 2000, 3000))  # The left half; upright, it is the upper one.
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SECRET CAMERA"
    exif[GPS] = {1: "N", 2: (52.0, 31.0, 0.0)}
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, quality=90)
    return file.getvalue()


def test_a_photograph_goes_out_upright_small_and_without_its_place(visit: Visit, engine: ScriptedEngine) -> None:
    original = photograph()
    assert b"SECRET CAMERA" in original
    visit.choose(original)
    visit.ask("What is it?")
    visit.answered("It is red.")
    (image,) = sent(visit)
    assert 0.95 * 1_300_000 < image.width * image.height <= 1_300_000
    assert image.height > image.width
    assert not image.getexif()
    red, white = image.getpixel((image.width // 2, 10)), image.getpixel((image.width // 2, image.height - 10))
    assert isinstance(red, tuple)
    assert isinstance(white, tuple)
    assert red[0] > 200 > 60 > red[1]
    assert min(white) > 240
    assert "SECRET" not in str(visit.requests[-1].post_data)


def test_a_drawing_stays_as_it_is(visit: Visit, engine: ScriptedEngine) -> None:
    visit.choose(picture("blue", (64, 48)))
    visit.ask("What is it?")
    visit.answered("It is red.")
    (image,) = sent(visit)
    assert (image.format, image.size, image.convert("RGB").getpixel((5, 5))) == ("PNG", (64, 48), (0, 0, 255))


def test_a_noisy_png_becomes_a_jpeg(visit: Visit, engine: ScriptedEngine) -> None:
    file = io.BytesIO()
    Image.frombytes("RGB", (700, 700), os.urandom(1_470_000)).save(file, "PNG")
    visit.choose(file.getvalue())
    visit.ask("What is it?")
    visit.answered("It is red.")
    assert sent(visit)[0].format == "JPEG"


def test_pasted(visit: Visit, engine: ScriptedEngine) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.evaluate(COPY, list(picture("red", (30, 20))))
    visit.question.press("Control+V")
    expect(visit.thumbnails).to_have_count(1)
    visit.ask("What colour?")
    visit.answered("It is red.")
    assert [(one.width, one.height) for one in engine.jobs[0].pictures] == [(30, 20)]


def test_pasted_text_stays_text(visit: Visit) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.evaluate("navigator.clipboard.writeText('What colour?')")
    visit.question.press("Control+V")
    expect(visit.question).to_have_value("What colour?")
    expect(visit.thumbnails).to_have_count(0)


def test_dropped(visit: Visit, engine: ScriptedEngine) -> None:
    file = list(picture("red", (30, 20)))
    visit.page.evaluate(DROP, ["dragenter", file])
    expect(visit.page.get_by_text("Drop your pictures here")).to_be_visible()
    visit.page.evaluate(DROP, ["drop", file])
    expect(visit.page.get_by_text("Drop your pictures here")).to_be_hidden()
    expect(visit.thumbnails).to_have_count(1)
    visit.ask("What colour?")
    visit.answered("It is red.")
    assert len(engine.jobs[0].pictures) == 1


def test_one_can_be_removed_before_sending(visit: Visit, engine: ScriptedEngine) -> None:
    visit.choose(picture("red", (30, 20)), picture("blue", (40, 20)))
    visit.page.get_by_role("button", name="Remove picture 1").click()
    expect(visit.thumbnails).to_have_count(1)
    visit.ask("What colour?")
    visit.answered("It is red.")
    assert [one.width for one in engine.jobs[0].pictures] == [40]


def test_what_is_no_picture_is_told_and_left_out(visit: Visit) -> None:
    for name, content in {"notes.txt": b"hello", "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}.items():
        visit.page.locator("#files").set_input_files(FilePayload(name=name, mimeType="image/png", buffer=content))
        expect(visit.page.get_by_role("alert")).to_contain_text(f"“{name}” could not be read as a picture")
    expect(visit.thumbnails).to_have_count(0)
