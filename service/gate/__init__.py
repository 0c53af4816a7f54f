"""The verifier behind Nginx: who may enter."""
