"""What runs on the host: vision and gate in containers, release and ledger on the host's own python3."""
