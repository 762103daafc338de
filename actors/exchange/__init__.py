"""The built-in exchange on sockets; what it says is in `pipeline.exchange`."""
