"""The orchestrator: runs on the operator's machine and turns a bare GPU host into a sealed one."""
