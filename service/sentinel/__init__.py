"""The file-integrity monitor: a host daemon on the distribution's python3, with inotify_simple and the ledger."""
