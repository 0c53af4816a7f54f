"""The vision service, measured from outside with the micro model on a CPU."""
