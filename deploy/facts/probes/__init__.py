"""Attacks on the isolation, and the same attacks where they must succeed. These programs run on the host."""
