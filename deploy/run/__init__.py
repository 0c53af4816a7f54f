"""A run over hosts: connect, lock, observe, prepare, execute, journal."""
