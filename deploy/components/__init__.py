"""One module a component, apply(settings); beside it its runbook."""
