"""What an operator may choose: one frozen pydantic model a component."""
