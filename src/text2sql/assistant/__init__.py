"""From a question to an answer: SQL by the model, rows by the database, a sentence, and how sure it all is.

from text2sql.assistant import Assistant

answer = Assistant.from_pretrained().ask("examples/music_shop.sqlite", "How many albums are there?")
print(answer.sql, answer.sentence)
"""

from text2sql.assistant.answer import Alternative, Answer, Failure, LinkedItem
from text2sql.assistant.assistant import Assistant
from text2sql.assistant.charts import Chart, suggest_chart
from text2sql.assistant.conversation import Conversation, FollowUp
from text2sql.assistant.endpoint import SentenceWriter
from text2sql.assistant.explain import explain
from text2sql.assistant.sentences import sentence

__all__ = [
    "Alternative",
    "Answer",
    "Assistant",
    "Chart",
    "Conversation",
    "Failure",
    "FollowUp",
    "LinkedItem",
    "SentenceWriter",
    "explain",
    "sentence",
    "suggest_chart",
]
