"""A host's chained logs, read on the host by programs that are sent there: only the result travels."""
