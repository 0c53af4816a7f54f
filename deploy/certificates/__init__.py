"""Who the door says it is: the operator's private CA, the certificates that it issues, or one from elsewhere."""
