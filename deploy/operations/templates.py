"""Configuration from templates/<component>/<file>.j2."""

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.paths import ROOT


@cache
def _environment() -> Environment:
    # Configuration files, not HTML: there is nothing to escape. A misspelt value is an error, never an empty string.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(ROOT / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> str:
    """The text of `templates/<template>` with `values`; raises jinja2.UndefinedError for a value it was not given."""
    return _environment().get_template(template).render(**values)
