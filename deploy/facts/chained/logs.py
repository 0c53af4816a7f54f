"""Which logs a host has, and where they lie."""

from deploy.host_paths import HOST_LOGS

LOGS = {
    "vision": f"{HOST_LOGS}/vision/audit.jsonl",
    "gate": f"{HOST_LOGS}/gate/gate.jsonl",
    "sentinel": f"{HOST_LOGS}/sentinel/alerts.jsonl",
    "deploy": f"{HOST_LOGS}/deploy/journal.jsonl",
}
"""The chained ones."""

PLAIN = {
    "access": f"{HOST_LOGS}/proxy/access.jsonl",
    "errors": f"{HOST_LOGS}/proxy/error.log",
}
"""Nginx's own, which are in no chain."""
