"""Cost of requests, budgets and forecasts."""
