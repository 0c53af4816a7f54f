"""What turns a conversation into an answer: one protocol, several engines."""
