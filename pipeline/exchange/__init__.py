"""The built-in exchange, without its sockets: what it issued, and what it says about it."""
