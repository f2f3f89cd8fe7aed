"""driftd: keeps a model or an LLM application honest in production. Start with :mod:`monitor.daemon`."""

__version__ = "0.1.0"
