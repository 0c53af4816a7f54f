"""The chained JSON-lines log that vision, gate, sentinel and the deploy journal write. Standard library only."""

from service.ledger.chain import LedgerError
from service.ledger.log import Ledger
from service.ledger.verdict import Anchor, Finding, Verdict
from service.ledger.verification import verify

__all__ = ["Anchor", "Finding", "Ledger", "LedgerError", "Verdict", "verify"]
