"""Encoders: n raw items of one modality -> `(n, d)` vectors. Same item, same numbers, alone or in a batch."""
