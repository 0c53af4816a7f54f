"""The host's side of a release: receive, verify, start, hand over. Standard library of Python 3.10 only, as root."""
