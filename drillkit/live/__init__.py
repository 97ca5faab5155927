"""A run while it goes on: one line for each record, rates, and the page that shows them."""
