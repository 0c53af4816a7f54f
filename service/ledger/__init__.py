"""The chained JSON-lines log that vision, gate, sentinel and the deploy journal write. Standard library only."""

from service.ledger.chain import LedgerError
from service.ledger.log import Ledger
from service.ledger.verification import Finding, Verdict, verify

__all__ = ["Finding", "Ledger", "LedgerError", "Verdict", "verify"]
