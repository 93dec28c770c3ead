"""From a question to an answer: SQL by the model, rows by the database, a sentence, and how sure it all is.

from text2sql.assistant import Assistant

answer = Assistant.from_pretrained().ask("examples/music_shop.sqlite", "How many albums are there?")
print(answer.sql, answer.sentence)
"""

from text2sql.assistant.answer import Alternative, Answer, Failure, LinkedItem
from text2sql.assistant.assistant import Assistant
from text2sql.assistant.conversation import Conversation, FollowUp

__all__ = [
    "Alternative",
    "Answer",
    "Assistant",
    "Conversation",
    "Failure",
    "FollowUp",
    "LinkedItem",
]
