"""The engine: bytes in, rows out, with no cluster, socket, clock or global state."""
