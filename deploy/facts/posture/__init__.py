"""The program that looks at a host: runs there, on its own python3, and imports nothing of the rest."""
