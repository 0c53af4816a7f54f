"""Whatever a model says stays text: it runs nothing, asks for nothing, leads nowhere."""

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.service.vision.page.visit import Visit
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import Served

EVIL = "https://evil.example"
HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    f"<img src='{EVIL}/a.png'>",
    "<svg onload='window.hit = 1'><script>window.hit = 1</script></svg>",
    f"<iframe src='{EVIL}' onload='window.hit = 1'></iframe>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<a href='javascript:window.hit = 1' id=link>click</a>",
    f"<style>@import '{EVIL}/a.css'; body {{ background: url({EVIL}/b.png) }}</style>",
    f"<link rel=stylesheet href='{EVIL}/a.css'>",
    f"<meta http-equiv=refresh content='0;url={EVIL}'>",
    f"<form action='{EVIL}'><input autofocus onfocus='window.hit = 1'></form>",
    f"<video poster='{EVIL}/p.png' autoplay><source src=x onerror='window.hit = 1'></video>",
    f"![picture]({EVIL}/c.png)",
    '![x](x"onerror="window.hit=1)',
    "[click](javascript:window.hit=1)",
    "[click](data:text/html,<script>window.hit=1</script>)",
    f"[click]({EVIL}/?q=secret)",
    "[x]: javascript:window.hit=1\n[x]",
    f"<{EVIL}>",
    "```html\n</code></pre><script>window.hit = 1</script>\n```",
    "`</code><img src=x onerror='window.hit = 1'>`",
    "| <img src=x onerror='window.hit = 1'> | b |\n|---|---|\n| <svg onload='window.hit = 1'> | c |",
    "# <img src=x onerror='window.hit = 1'>",
    "<think><img src=x onerror='window.hit = 1'></think>done",
]
ALLOWED = {"P", "BR", "CODE", "PRE", "SPAN", "STRONG", "EM", "S", "UL", "OL", "LI", "BLOCKQUOTE", "HR", "DIV"} | {
    "TABLE",
    "THEAD",
    "TBODY",
    "TR",
    "TH",
    "TD",
    "H4",
    "H5",
    "H6",
}
ELEMENTS = (
    "[...document.querySelectorAll('.answered .prose *')].map((one) => [one.tagName, ...one.getAttributeNames()])"
)


@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "letter by letter"])
def test_nothing_that_a_model_says_runs(visit: Visit, engine: ScriptedEngine, at_once: bool) -> None:
    text = "\n\n".join(HOSTILE)
    engine.script = [text] if at_once else list(text)
    visit.page.evaluate("window.hit = 0")
    visit.ask("Attack me.")
    expect(visit.page.locator(".answered .actions")).to_be_visible(timeout=20_000)
    found = visit.page.evaluate(ELEMENTS)
    assert len(found) > len(HOSTILE)
    assert {tag for tag, *_ in found} <= ALLOWED
    assert {name for _, *names in found for name in names} <= {"class", "tabindex", "start"}
    for words in ("<script>window.hit = 1</script>", "javascript:window.hit=1", f"{EVIL}/c.png"):
        expect(visit.answers).to_contain_text(words)
    for one in visit.page.locator(".answered .prose *").get_by_text("click").all():
        one.click()
    visit.page.evaluate("new Promise((resolve) => setTimeout(resolve))")
    assert visit.page.evaluate("window.hit") == 0
    assert visit.page.url == visit.address + "/"
    assert not visit.faults


def test_control_the_same_text_as_html_would_be_noticed(browser: Browser, behind_the_door: Served) -> None:
    visit = Visit.begin(browser, behind_the_door.address, bypass_csp=True)
    visit.page.route(f"{EVIL}/**", lambda route: route.abort())
    texts = "".join(
        text for text in HOSTILE if "refresh" not in text
    )  # That one would lead away before one could look.
    visit.page.evaluate("(text) => { window.hit = 0; document.getElementById('thread').innerHTML = text; }", texts)
    visit.page.wait_for_function("window.hit === 1")
    visit.until(lambda: f"asked for {EVIL}/a.png" in visit.faults)
    assert {
        tag for tag, *_ in visit.page.evaluate("[...thread.querySelectorAll('*')].map((one) => [one.tagName])")
    } - ALLOWED
    visit.context.close()


def test_the_policy_stands_behind_it(browser: Browser, behind_the_door: Served) -> None:
    """Even if a line of ours made HTML of text one day: the browser would refuse it, and what it could load."""
    visit = Visit.begin(browser, behind_the_door.address)
    with pytest.raises(Error, match="TrustedHTML"):
        visit.page.evaluate("document.getElementById('thread').innerHTML = '<b>bold</b>'")
    with pytest.raises(Error, match="TrustedScript"):
        visit.page.evaluate("document.createElement('script').textContent = '1'")
    visit.page.evaluate(
        "(address) => { document.body.append(Object.assign(new Image(), { src: address })); }", f"{EVIL}/a.png"
    )
    with pytest.raises(Error, match="Failed to fetch"):
        visit.page.evaluate("(address) => fetch(address)", EVIL)
    visit.until(lambda: sum("CSP" in fault for fault in visit.faults) >= 2)
    assert {request.failure for request in visit.requests if request.url.startswith(EVIL)} == {"csp"}
    visit.context.close()
