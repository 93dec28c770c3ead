"""Decoding: a token-level engine (`engine.py`), and around it text in, SQL out."""
