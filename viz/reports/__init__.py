"""Reports of `cryptoctopus evaluate`: pages of their own, that need nothing but a browser."""
