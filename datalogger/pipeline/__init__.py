"""The only package that starts tasks: a reader per source, a forwarder per sink, and what keeps them alive."""
