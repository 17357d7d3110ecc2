"""What a score is made of: figures with intervals, as plain values; no page, no text."""
