"""Controls, read from policies/, judged against what was seen of a host."""
