"""How a score is shown: text, page, plots, sheets."""
