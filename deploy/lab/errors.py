"""What goes wrong with a lab."""

from deploy.errors import CasemateError


class LabError(CasemateError):
    """The lab is not as asked."""
