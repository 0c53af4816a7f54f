"""Whatever goes wrong is told by its cause and by what to do next, in both languages."""

import json
from collections.abc import Sequence

import pytest
from playwright.sync_api import Route, expect

from tests.service.vision.page.conftest import Begin
from tests.service.vision.page.visit import API, Visit

REFUSALS: list[tuple[int, str, int | None, str, str]] = [
    (403, "not_allowed", None, "Your key is not allowed to ask here.", "您的密钥无权在此提问。"),
    (
        413,
        "request_too_large",
        None,
        "The question with its pictures is too large. Send fewer or smaller pictures, or begin a new conversation.",
        "问题和图片太大。请减少或缩小图片，或开始新对话。",
    ),
    (
        429,
        "rate_limit_exceeded",
        1,
        "More comes from your network than the service takes at once. Ask again in a second.",
        "来自您所在网络的请求过多，请在 1 秒后再试。",
    ),
    (
        429,
        "queue_full",
        12,
        "Too much is being asked at the moment. Ask again in 12 seconds.",
        "当前提问过多，请在 12 秒后再试。",
    ),
    (
        503,
        "unavailable",
        None,
        "The model is not available at the moment; it may be starting. Ask again in a little while.",
        "模型暂时不可用，可能正在启动。请稍后再试。",
    ),
    (
        503,
        "engine_loading",
        5,
        "The model is being loaded, which can take minutes. Ask again in 5 seconds.",
        "模型正在加载，可能需要几分钟。请在 5 秒后再试。",
    ),
    (503, "maintenance", 5, "The service is closed for maintenance. Ask again later.", "服务正在维护，请以后再试。"),
    (
        504,
        "timeout",
        None,
        "The model took too long, and the connection was closed. Ask again, perhaps with fewer pictures.",
        "模型用时过长，连接已关闭。请重新提问，或减少图片。",
    ),
    (
        408,
        "request_timeout",
        None,
        "The question took too long to arrive. Ask again, with fewer or smaller pictures or on a faster connection.",
        "问题的上传时间过长。请减少或缩小图片，或换用更快的网络后重新提问。",
    ),
    (
        400,
        "too_many_images",
        None,
        "There are more pictures in this conversation than the model takes. Begin a new conversation.",
        "此对话中的图片超过了模型的上限。请开始新对话。",
    ),
    (
        400,
        "context_length_exceeded",
        None,
        "This conversation is longer than the model can remember. Begin a new conversation.",
        "此对话超出了模型的记忆长度。请开始新对话。",
    ),
    (
        400,
        "image_broken",
        None,
        "The server could not read a picture. Open it in another program, save it as JPEG or PNG, and try that.",
        "服务器无法读取一张图片。请用其他程序打开它，另存为 JPEG 或 PNG 后再试。",
    ),
    (
        400,
        "image_too_stretched",
        None,
        "A picture is much longer than it is wide, or the other way round. Cut it to the part that matters.",
        "有一张图片过长或过宽。请裁剪出需要的部分。",
    ),
    (
        400,
        "invalid_value",
        None,
        "The server did not take this question: as it came",
        "服务器没有接受此问题：as it came",
    ),
]
FAILURES: list[tuple[int, str, str, str]] = [
    (
        503,
        "audit_unavailable",
        "The service cannot write its log, and answers nobody until it can. Tell who runs it, and ask again later.",
        "服务无法写入日志，恢复之前不会回答任何人。请告知管理员，以后再试。",
    ),
    (
        500,
        "out_of_memory",
        "The model had not enough memory for this question. Ask again; if it goes on, send fewer pictures or begin a "
        "new conversation.",
        "模型的内存不足以回答此问题。请重新提问；如果仍然如此，请减少图片或开始新对话。",
    ),
    (
        503,
        "stopping",
        "The service is stopping, for an update perhaps. Ask again in a little while.",
        "服务正在停止，可能是在更新。请稍后再试。",
    ),
    (
        503,
        "engine_failed",
        "The model failed while it was answering. Ask again; if it goes on, tell who runs it.",
        "模型在回答时出错。请重新提问；如果仍然如此，请告知管理员。",
    ),
    (
        500,
        "internal_error",
        "The server failed at this question. Ask again; if it goes on, tell who runs it.",
        "服务器处理此问题时出错。请重新提问；如果仍然如此，请告知管理员。",
    ),
]
"""What may also come in the midst of an answer, without a time to wait."""
OURS = {
    *("engine_failed", "engine_loading", "engine_stopping", "engine_stuck", "internal_error", "audit_unavailable"),
    *("stopping", "queue_full", "out_of_memory", "context_length_exceeded", "too_many_images"),
}


def error(code: str) -> str:
    return json.dumps({"error": {"message": "as it came", "type": "x", "param": None, "code": code}})


def told(visit: Visit, rows: Sequence[tuple[str, str]], chinese: bool) -> None:
    """Ask, and once more after each trouble, which must be these."""
    visit.ask("?")
    for row in rows:
        expect(visit.page.locator(".trouble")).to_have_text(row[chinese])
        visit.page.get_by_role("button", name="重新提问" if chinese else "Ask again").click()


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
def test_every_refusal_is_told_in_plain_words(begin: Begin, chinese: bool) -> None:
    visit = begin(locale="zh-CN" if chinese else "en-US")
    rows = [*REFUSALS, *((status, code, None, english, its) for status, code, english, its in FAILURES)]
    refusals = iter(rows)

    def refuse(route: Route) -> None:
        status, code, wait, *_ = next(refusals, rows[-1])
        headers = {"content-type": "application/json", **({"retry-after": str(wait)} if wait else {})}
        route.fulfill(status=status, headers=headers, body=error(code))

    visit.page.route(API, refuse)
    told(visit, [(english, its_chinese) for *_, english, its_chinese in rows], chinese)


@pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])
def test_a_failure_in_the_midst_of_an_answer_is_told_in_the_same_words(begin: Begin, chinese: bool) -> None:
    visit = begin(locale="zh-CN" if chinese else "en-US")
    failures = iter(FAILURES)
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "It is"}, "finish_reason": None}]})

    def fail(route: Route) -> None:
        _, code, *_ = next(failures, FAILURES[-1])
        route.fulfill(content_type="text/event-stream", body=f"data: {chunk}\n\ndata: {error(code)}\n\n")

    visit.page.route(API, fail)
    told(visit, [(english, its_chinese) for *_, english, its_chinese in FAILURES], chinese)
    expect(visit.answers).to_have_text("It is")  # What came is kept.


def test_every_code_has_words_and_every_word_its_like(visit: Visit) -> None:
    """Those that a page of ours can meet; English and Chinese know the same."""
    found = visit.page.evaluate(
        """async (codes) => {
        const { failure } = await import("/page/trouble.js");
        const { english } = await import("/page/english.js");
        const { chinese } = await import("/page/chinese.js");
        const kinds = codes.map((code) => [code, failure({ code, message: "" }).kind]);
        const names = (words) => [...Object.keys(words), ...Object.keys(words.troubles)];
        return {
            unknown: kinds.filter(([code, kind]) => kind === "failed" && code !== "internal_error"),
            wordless: kinds.filter(([, kind]) => !(kind in english.troubles)),
            alike: JSON.stringify(names(english)) === JSON.stringify(names(chinese)),
        };
    }""",
        sorted(OURS),
    )
    assert found == {"unknown": [], "wordless": [], "alike": True}
