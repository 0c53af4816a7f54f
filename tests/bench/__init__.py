"""What is measured: `make bench`, `make bench ONLY=name`."""
