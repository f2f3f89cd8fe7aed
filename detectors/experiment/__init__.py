"""Sequential comparisons of experiment arms, and of a shadow with its champion, that are valid at any time."""
