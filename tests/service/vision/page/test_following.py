"""The end is kept in sight while it moves on."""

from playwright.sync_api import expect

from tests.service.vision.page.visit import Visit
from tests.service.vision.scripted import ScriptedEngine


def test_the_end_is_kept_in_sight_but_only_for_who_looks_at_it(visit: Visit, engine: ScriptedEngine) -> None:
    engine.script = ["word\n\n" * 60, 0.5, "more\n\n" * 60, 0.5, "the end"]
    visit.ask("Say it.")
    expect(visit.answers).to_contain_text("more")
    expect(visit.page.get_by_text("more").last).to_be_in_viewport()
    visit.page.evaluate("document.getElementById('scroller').scrollTop = 0")
    expect(visit.answers).to_contain_text("the end")
    expect(visit.page.locator(".actions")).to_have_count(1)
    assert visit.page.evaluate("document.getElementById('scroller').scrollTop") == 0


def test_what_grows_before_the_scrolling_is_told_is_followed_too(visit: Visit) -> None:
    visit.ask("Say it.")
    visit.answered("It is red.")
    left = visit.page.evaluate("""async () => {
        const place = document.getElementById("thread");
        const grow = () => place.append(Object.assign(document.createElement("div"), { className: "tall" }));
        const style = new CSSStyleSheet();
        style.replaceSync(".tall { flex: none; height: 400px; }");
        document.adoptedStyleSheets = [style];
        // After the page's own observer has scrolled, and before the browser tells of that.
        new ResizeObserver(() => place.children.length < 8 && grow()).observe(place);
        grow();
        await new Promise((resolve) => setTimeout(resolve, 500));
        const { scrollHeight, scrollTop, clientHeight } = document.getElementById("scroller");
        return [place.children.length, Math.round(scrollHeight - scrollTop - clientHeight)];
    }""")
    assert left == [8, 0]
