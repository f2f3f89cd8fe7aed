"""Golden files of messages: `python -m scripts.messages` writes docs/messages and docs/messages.md."""
