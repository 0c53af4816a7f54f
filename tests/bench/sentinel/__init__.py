"""The sentinel, measured as a process on this machine; peers beside it in the same run."""
