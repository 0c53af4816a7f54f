"""Every refusal and failure in the one shape that OpenAI's clients read."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service.vision.entry import Entry

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer other than success. The message names what was got and expected, and never quotes a prompt."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """Clients retry 408, 409, 429 and 5xx by themselves: when, or that it is of no use."""
        if self.retry_after is not None:
            return {"retry-after": str(self.retry_after)}
        return {"x-should-retry": "false"}


def invalid(message: str, param: str, code: str = "invalid_value") -> ApiError:
    """The request asks for what it cannot have."""
    return ApiError(400, message, code, param)


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


def install(app: FastAPI) -> None:
    """Let the framework's own errors take the same shape."""
    app.add_exception_handler(ApiError, _answer)
    app.add_exception_handler(ClientGone, _gone)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


def respond(request: Request, error: ApiError) -> JSONResponse:
    """The answer; its code goes into the audit line."""
    Entry.of(request.scope).reason = error.code
    return JSONResponse(error.body, error.status, headers=error.headers)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return respond(request, error)


async def _gone(request: Request, _: Exception) -> JSONResponse:
    return respond(request, ApiError(499, "the client closed the connection", "cancelled"))


async def _framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    message = (
        f"{request.method} is not offered here" if error.status_code == 405 else "there is nothing at this address"
    )
    answer = respond(request, ApiError(error.status_code, message, codes.get(error.status_code, "http_error")))
    answer.headers.update(error.headers or {})
    return answer


async def _validation(request: Request, _: Exception) -> JSONResponse:
    return respond(request, ApiError(400, "the request is not what /openapi.json describes", "invalid_value"))


async def _unexpected(request: Request, _: Exception) -> JSONResponse:
    return respond(request, ApiError(500, "the service failed at this request", "internal_error"))
