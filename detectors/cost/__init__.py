"""What requests cost, what may be spent, and what the month will come to."""
