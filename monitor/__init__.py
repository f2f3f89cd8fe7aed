"""driftd: monitors machine-learning models and LLM applications in production. Start with :mod:`monitor.daemon`."""

__version__ = "0.1.0"
