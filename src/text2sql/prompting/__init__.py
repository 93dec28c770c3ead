"""Schema and question to prompt tokens, canonical SQL to target tokens, and back."""
