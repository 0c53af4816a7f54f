"""What stops a release, in one sentence."""


class ReleaseError(Exception):
    """What went wrong and where; nothing that was live has been changed unless the sentence says so."""

    exit_code = 1


class Resend(ReleaseError):
    """Something that was sent is missing, wrong or of no use: sent again, it may do (exit code 3)."""

    exit_code = 3
