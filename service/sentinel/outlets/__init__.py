"""Where alerts go besides the ledger: each outlet in a thread of its own, over a bounded spool on disk."""
