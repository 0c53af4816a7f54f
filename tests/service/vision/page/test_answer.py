"""How an answer's Markdown is drawn."""

import time

import pytest
from playwright.sync_api import Browser, Page

from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import Visit
from tests.service.vision.served import Served

DRAW = """async (texts) => {
    const { draw } = await import("/page/answer.js");
    const place = document.createElement("div");
    for (const text of texts) draw(place, text);
    return place.innerHTML;
}"""
CASES = {
    "plain <b>text</b> & more": "<p>plain &lt;b&gt;text&lt;/b&gt; &amp; more</p>",
    "one\ntwo\n\nthree": "<p>one<br>two</p><p>three</p>",
    "**bold** *slanted* ~~gone~~ `code`": "<p><strong>bold</strong> <em>slanted</em> <s>gone</s> <code>code</code></p>",
    "__bold__ _slanted_ snake_case_name": "<p><strong>bold</strong> <em>slanted</em> snake_case_name</p>",
    "***both***": "<p><strong><em>both</em></strong></p>",
    "**重点：**后面“**引号**”": "<p><strong>重点：</strong>后面“<strong>引号</strong>”</p>",
    "2 * 3 * 4 and **open": "<p>2 * 3 * 4 and **open</p>",
    r"\*no\* `a ` ``c`d`` b`": "<p>*no* <code>a </code> <code>c`d</code> b`</p>",
    "# One\n### Three ###\ntext": "<h4>One</h4><h6>Three</h6><p>text</p>",
    "- one\n- two\n  - inner\n- three": "<ul><li>one</li><li>two<ul><li>inner</li></ul></li><li>three</li></ul>",
    "3. three\n4. four": '<ol start="3"><li>three</li><li>four</li></ol>',
    "1. one\n\n   more\n\n2. two": '<ol start="1"><li>one<p>more</p></li><li>two</li></ol>',
    "- a\n\n- b\n\nafter": "<ul><li>a</li><li>b</li></ul><p>after</p>",
    "text\n- item": "<p>text</p><ul><li>item</li></ul>",
    "> quoted\n> more\n\nafter": "<blockquote><p>quoted<br>more</p></blockquote><p>after</p>",
    "---": "<hr>",
    "```python\nif a < b:\n\n    pass\n```\nafter": '<pre tabindex="0"><code>if a &lt; b:\n\n    pass</code></pre>'
    "<p>after</p>",
    "```\nstill coming": '<pre tabindex="0"><code>still coming</code></pre>',
    "| a | b |\n|---|--:|\n| `1` | 2\\|3 |": '<div class="table" tabindex="0"><table>'
    '<thead><tr><th>a</th><th class="right">b</th></tr></thead>'
    '<tbody><tr><td><code>1</code></td><td class="right">2|3</td></tr></tbody></table></div>',
    "a | b\nno table": "<p>a | b<br>no table</p>",
    "[here](https://x.example/a)": '<p><span class="link">here <code>https://x.example/a</code></span></p>',
    "![alt](x.png)": '<p><span class="link">alt <code>x.png</code></span></p>',
    "[not](a link": "<p>[not](a link</p>",
    "": "",
}
EVIL = {
    "brackets": "[" * 50_000,
    "images": "![" * 25_000,
    "ticks": "".join("`" * (1 + index % 300) + "a" for index in range(600)),
    "stars": "*a" * 50_000,
    "open": "**a_b~~c " * 10_000,
    "quotes": ">" * 50_000,
    "nested": "\n".join("  " * index + "- x" for index in range(400)),
    "pipes": "|" * 50_000 + "\n" + "|-" * 25_000,
    "blank": "- x\n" + "\n" * 50_000,
    "spaces": "# " + " " * 50_000 + "x",
    "dashes": "- " * 50_000 + "x",
    "lines": "x\n" * 20_000,
}


@pytest.fixture(scope="module")
def page(browser: Browser, behind_the_door: Served) -> Page:
    return Visit.begin(browser, behind_the_door.address).page


@pytest.mark.parametrize("text", CASES)
def test_markdown_becomes_elements(page: Page, text: str) -> None:
    assert page.evaluate(DRAW, [text]) == CASES[text]


def test_piece_by_piece_it_comes_to_the_same(page: Page) -> None:
    text = "\n\n".join(CASES)
    pieces = [text[:end] for end in range(0, len(text), 3)]
    assert page.evaluate(DRAW, [*pieces, text]) == page.evaluate(DRAW, [text])


@pytest.mark.parametrize("name", EVIL)
def test_no_text_makes_it_slow(page: Page, name: str) -> None:
    began = time.monotonic()
    page.evaluate(DRAW, [EVIL[name]])
    assert time.monotonic() - began < 2


def test_what_came_before_stays_selected(begin: Begin) -> None:
    visit = begin()
    kept = visit.page.evaluate("""async () => {
        const { draw } = await import("/page/answer.js");
        const place = document.createElement("div");
        draw(place, "one\\n\\ntwo");
        const [first, second] = place.children;
        draw(place, "one\\n\\ntwo and more\\n\\nthree");
        return [place.children[0] === first, place.children[1] === second, place.children.length];
    }""")
    assert kept == [True, False, 3]
