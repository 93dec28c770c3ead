"""text2sql: a GPT trained from nothing into a text-to-SQL model, and what it takes to use it."""
