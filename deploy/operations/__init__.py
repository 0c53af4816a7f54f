"""Convergence that pyinfra lacks."""
