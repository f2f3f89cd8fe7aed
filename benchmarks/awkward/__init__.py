"""The alert budget, the delays and the deafness of driftd on columns as real tables have them."""
