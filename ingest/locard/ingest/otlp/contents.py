"""What an agent read or wrote outside a tool: documents found, memory, resources of a server."""

from __future__ import annotations

from typing import Any, Final

from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader, structured
from locard.ingest.otlp.inference import model_fields
from locard.ingest.otlp.reading import Reading, error_of

_QUERY: Final = ("gen_ai.retrieval.query.text", "gen_ai.memory.query.text")
_WRITES: Final = ("create", "update", "upsert", "delete")


def retrieval(reading: Reading) -> None:
    """Add the documents that a retriever found, or a reranker put in order."""
    reader = reading.reader
    model = model_fields(reader)
    query = reader.text(*_QUERY, "reranker.query", "input.value", "traceloop.entity.input")
    documents = _documents(reader)
    source = reader.text("gen_ai.data_source.id")
    _add(
        reading, "read", "document", documents, title=source, query=query, trust="external", **model
    )


def memory(reading: Reading, operation: str) -> None:
    """Add what an agent read from its memory, or wrote to it."""
    reader = reading.reader
    found = reader.value("gen_ai.memory.records")
    operation_kind = "write" if operation.startswith(_WRITES) else "read"
    store = reader.text("gen_ai.memory.store.id")
    record = reader.text("gen_ai.memory.record.id")
    query = reader.text("gen_ai.memory.query.text")
    content = found[1] if found else None
    _add(reading, operation_kind, "memory", content, title=store, uri=record, query=query)
    reading.extensions["operation"] = operation


def resource_read(reading: Reading) -> None:
    """Add a resource that an agent read from a server of the Model Context Protocol."""
    uri = reading.reader.text("mcp.resource.uri")
    content = _plain_value(reading.reader)
    _add(reading, "read", "mcp.resource", content, uri=uri, trust="external")


def prompt_read(reading: Reading) -> None:
    """Add a prompt that an agent fetched from a server of the Model Context Protocol."""
    name = reading.reader.text("gen_ai.prompt.name")
    content = _plain_value(reading.reader)
    _add(reading, "read", "mcp.prompt", content, title=name, trust="external")


def _add(
    reading: Reading,
    operation: str,
    resource_type: str,
    content: Any,
    *,
    uri: str | None = None,
    title: str | None = None,
    query: str | None = None,
    trust: str = "unknown",
    **core: Any,
) -> None:
    hidden = isinstance(content, str) and content in names.HIDDEN
    absence = "redacted_upstream" if hidden else "not_captured" if content is None else None
    error_type, message = error_of(reading)
    extensions: dict[str, Any] = {"query": query} if query is not None else {}
    if error_type or message:
        extensions["error"] = {"type": error_type, "message": message}
    reading.add(
        "content",
        "content",
        {
            "operation": operation,
            "resource_type": resource_type,
            "trust": trust,
            "uri": uri,
            "title": title,
            "content": None if hidden else content,
        },
        absent={"content": absence} if absence else None,
        extensions=extensions,
        **core,
    )


def _documents(reader: Reader) -> Any:
    if found := reader.value("gen_ai.retrieval.documents"):
        return found[1]
    for prefix in ("retrieval.documents", "reranker.output_documents"):
        if items := reader.indexed(prefix):
            return [_document(item) for item in items]
    return _plain_value(reader)


def _document(item: Any) -> Any:
    inner = item.get("document", item) if isinstance(item, dict) else item
    if isinstance(inner, dict) and "metadata" in inner:
        return {**inner, "metadata": structured(inner["metadata"])[0]}
    return inner


def _plain_value(reader: Reader) -> Any:
    found = reader.value(*names.TOOL_RESULT)
    return found[1] if found else None
