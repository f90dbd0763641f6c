"""The recorder: what an agent was asked, answered, did and decided, at no risk to the agent.

    from locard.ingest.recorder import Recorder

    recorder = Recorder.from_env()

    with recorder.session("invoices-42", user="ana@example.com") as session:
        session.prompt(messages)
        answer = session.model_output(client.chat.completions.create(messages=messages, …))
        for call in answer.calls:
            with session.tool_call(call.name, call.arguments, call_id=call.id) as running:
                running.result(tools[call.name](**call.arguments))

Nothing here blocks, raises into the agent or grows without bound. What is recorded goes into a ring
in memory, from there to a collector (or Kafka), and to a spool on the disk while that is away. What
finds no room is counted and declared; what a crash left in the ring is sent by the next process.
"""

from __future__ import annotations

from locard.ingest.recorder.recorder import Recorder
from locard.ingest.recorder.recording import Output, Recorded, RequestedCall
from locard.ingest.recorder.session import Session, ToolCall
from locard.ingest.recorder.settings import RecorderSettings

__all__ = [
    "Output",
    "Recorded",
    "Recorder",
    "RecorderSettings",
    "RequestedCall",
    "Session",
    "ToolCall",
]
