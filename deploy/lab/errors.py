"""What goes wrong with a lab, as one sentence and what to do next."""


class LabError(Exception):
    """The lab is not as asked. The message says what, where and the next command."""
