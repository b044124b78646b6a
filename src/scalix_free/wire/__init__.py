"""The OpenAI wire format, both ways, as pure functions. No I/O."""
