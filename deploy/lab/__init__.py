"""Disposable local hosts to deploy to: system containers with systemd and sshd on the operator's own Docker engine."""
