"""From incidents to messages and effects."""
