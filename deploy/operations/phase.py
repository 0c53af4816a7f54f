"""Which of pyinfra's two phases runs: planning, where a host need not have anything yet, or changing."""

from pyinfra import state


def executing() -> bool:
    """Are commands being run? Else they are only asked for."""
    return bool(state.is_executing)
