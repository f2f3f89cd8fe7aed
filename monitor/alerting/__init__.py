"""From findings to incidents and suspects."""
