"""What a record is about, by the names that its convention gives, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.agents import agent
from locard.ingest.otlp.attributes import Reader
from locard.ingest.otlp.contents import memory, prompt_read, resource_read, retrieval
from locard.ingest.otlp.decisions import evaluation, guardrail, plan
from locard.ingest.otlp.inference import inference, model_fields, usage_fields
from locard.ingest.otlp.reading import Reading
from locard.ingest.otlp.tools import tool

Read = Callable[[Reading], Any]

_INFERENCES: Final = frozenset({"chat", "generate_content", "text_completion"})
_AGENTS: Final = frozenset(
    {"invoke_agent", "create_agent", "invoke_workflow", "handle_conversation_turn"}
)
_GUARDRAILS: Final = frozenset({"run_guardrail", "apply_guardrail"})
_MEMORY: Final = frozenset(
    {
        *(f"{verb}_memory" for verb in ("search", "create", "update", "upsert", "delete")),
        *("create_memory_store", "delete_memory_store"),
    }
)
_KINDS: Final = {  # of OpenInference, OpenLLMetry, the AI SDK and MLflow, in lower case
    "llm": "chat",
    "chat_model": "chat",
    "ai.generatetext.dogenerate": "chat",
    "ai.streamtext.dostream": "chat",
    "ai.generateobject.dogenerate": "chat",
    "ai.streamobject.dostream": "chat",
    "tool": "execute_tool",
    "ai.toolcall": "execute_tool",
    "retriever": "retrieval",
    "reranker": "retrieval",
    "embedding": "embeddings",
    "guardrail": "run_guardrail",
    "evaluator": "evaluate",
    "prompt": "prompt",
    "agent": "agent",
    "chain": "chain",
    "workflow": "workflow",
    "task": "task",
    "ai.generatetext": "ai.generateText",
    "ai.streamtext": "ai.streamText",
    "ai.generateobject": "ai.generateObject",
    "ai.streamobject": "ai.streamObject",
}
_KIND_ATTRIBUTES: Final = (
    "openinference.span.kind",
    "traceloop.span.kind",
    "ai.operationId",
    "mlflow.spanType",
)
_LIKE_AGENTS: Final = frozenset(
    {"agent", "chain", "workflow", "task"}
    | {name for name in _KINDS.values() if name.startswith("ai.")}
)
_MCP: Final[dict[str, Read]] = {
    "tools/call": tool,
    "resources/read": resource_read,
    "prompts/get": prompt_read,
}
_SIGNS_OF_INFERENCE: Final = (
    *names.INPUT_MESSAGES,
    *names.OUTPUT_MESSAGES,
    "llm.request.type",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
)


def reader_of(reading: Reading) -> tuple[Read, bool]:
    """Return what reads a record, and whether it has to wait for those that are its parts."""
    reader = reading.reader
    method = reader.look(names.MCP_METHOD)
    if isinstance(method, str) and method:
        return _MCP.get(method, partial(_lifecycle, change=f"mcp.{method}")), False
    operation = _operation(reader)
    if operation in _INFERENCES:
        return inference, False
    if operation == "execute_tool":
        return tool, False
    if operation in _AGENTS or operation in _LIKE_AGENTS:
        return partial(agent, operation=operation), True
    if operation in _OTHERS:
        return _OTHERS[operation], operation == "plan"
    if operation in _MEMORY:
        return partial(memory, operation=operation), False
    if operation:
        return partial(_model_lifecycle, change=operation), False
    return _by_signs(reader), False


def is_agent(reader: Reader) -> bool:
    """Say whether spans below this one are parts of an agent that this one names."""
    return _operation(reader) in ("invoke_agent", "create_agent", "agent")


def _operation(reader: Reader) -> str:
    """Return the operation in the words of OpenTelemetry, empty where no convention gives one."""
    found = reader.look("gen_ai.operation.name")
    if isinstance(found, str) and found:
        return found
    for name in _KIND_ATTRIBUTES:
        kind = reader.look(name)
        if isinstance(kind, str) and (known := _KINDS.get(kind.strip('"').lower())):
            return known
    return ""


def _by_signs(reader: Reader) -> Read:
    if reader.has(*_SIGNS_OF_INFERENCE):
        return inference
    if reader.has("gen_ai.tool.name", "gen_ai.tool.call.id"):
        return tool
    return partial(_lifecycle, change="span")


def _lifecycle(reading: Reading, change: str) -> None:
    reading.lifecycle(change)


def _model_lifecycle(reading: Reading, change: str) -> None:
    """Add an operation of a model that has no messages, such as `embeddings`."""
    model, usage = model_fields(reading.reader), usage_fields(reading.reader)
    reading.lifecycle(change, **model, **usage)


_OTHERS: Final[dict[str, Read]] = {
    "retrieval": retrieval,
    "plan": plan,
    "evaluate": evaluation,
    **dict.fromkeys(_GUARDRAILS, guardrail),
}
