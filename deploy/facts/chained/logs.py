"""Which logs of a host are chained, and where they lie."""

LOGS = {
    "vision": "/var/log/casemate/vision/audit.jsonl",
    "gate": "/var/log/casemate/gate/gate.jsonl",
    "sentinel": "/var/log/casemate/sentinel/alerts.jsonl",
    "deploy": "/var/log/casemate/deploy/journal.jsonl",
}
