"""GET / and the files that it names: the page for people, which asks the API as everybody else does."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.vision.assets import ASSETS

router = APIRouter()
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    # Asked for again each time, and answered with 304: a new release is never mixed with files of the old one.
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


async def asset(request: Request) -> Response:
    """One of the page's files, or 304 to who has it already."""
    found = ASSETS[request.scope["path"]]
    headers = {**_HEADERS, "etag": found.etag}
    if _has(request.headers.get("if-none-match", ""), found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)


def _has(named: str, etag: str) -> bool:
    """Whether If-None-Match names this version; a proxy that compresses makes the tag a weak one."""
    return etag in {one.strip().removeprefix("W/") for one in named.split(",")}


for path in ASSETS:
    router.add_api_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
