"""An answer of the API, put together from the chunks that it comes in."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """What has come so far; `take` adds to it."""

    text: str = ""
    reasoning: str = ""
    model: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None

    def take(self, chunk: Any) -> str:
        """Add a chunk; what it brings of the text. Raises ValueError for what is no chunk of an answer."""
        try:
            self.model = chunk["model"]
            self.usage = chunk.get("usage") or self.usage
            if not chunk["choices"]:
                return ""
            choice = chunk["choices"][0]
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            more = str(choice["delta"].get("content") or "")
            self.reasoning += str(choice["delta"].get("reasoning_content") or "")
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError("no chunk of an answer") from error
        self.text += more
        return more
