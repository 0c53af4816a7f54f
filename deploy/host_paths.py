"""Where things lie on a host. Travels there with the programs that look at one: it imports nothing of the rest."""

from pathlib import PurePosixPath

HOST_CONFIGURATION = PurePosixPath("/etc/casemate")
HOST_PROGRAMS = PurePosixPath("/opt/casemate")
HOST_STATE = PurePosixPath("/var/lib/casemate")
HOST_MODELS = HOST_STATE / "models"
HOST_LOGS = PurePosixPath("/var/log/casemate")
HOST_RUN = PurePosixPath("/run/casemate")
HOST_MAINTENANCE = HOST_STATE / "maintenance"
"""A file that is named after a component there shuts the door to it."""
