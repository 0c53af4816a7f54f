"""What is observed on a host and pyinfra cannot see; fail closed."""
