"""Attacks on the isolation, and the same attacks where they must succeed. The programs run on the host, on its python3."""
