"""Tasks: what is asked. A question over Views: fit, answer, score."""
