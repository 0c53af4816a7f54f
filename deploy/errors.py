"""The one kind of error that an operator reads."""


class CasemateError(Exception):
    """What went wrong and where, in one sentence; `next` is the command to type or the thing to change.

    `exit_code` is 1 for a failure and 2 for settings or usage.
    """

    exit_code = 1

    def __init__(self, message: str, *, next: str) -> None:
        super().__init__(message)
        self.message = message
        self.next = next

    def __str__(self) -> str:
        return f"{self.message}\nNext: {self.next}"


class SettingsError(CasemateError):
    """The inventory, its data or the command line: nothing was touched."""

    exit_code = 2
