"""Which logs a host has, and where they lie."""

LOGS = {
    "vision": "/var/log/casemate/vision/audit.jsonl",
    "gate": "/var/log/casemate/gate/gate.jsonl",
    "sentinel": "/var/log/casemate/sentinel/alerts.jsonl",
    "deploy": "/var/log/casemate/deploy/journal.jsonl",
}
"""The chained ones."""

PLAIN = {
    "access": "/var/log/casemate/proxy/access.jsonl",
    "errors": "/var/log/casemate/proxy/error.log",
}
"""Nginx's own, which are in no chain."""
