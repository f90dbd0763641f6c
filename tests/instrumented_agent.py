"""One agent, instrumented in several ways: a loop over OpenAI's own client with two tools.

    python instrumented_agent.py WAY MODEL_ADDRESS COLLECTOR_ADDRESS TOKEN SPOOL

WAY is `recorder` (ours), `span`, `event` or `both` (the published OpenTelemetry instrumentation of
OpenAI's client, with its content in spans, in events or in both), or `openinference`. The loop is
the same; what differs is what stands around it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

SESSION = "conversation-7"
MESSAGES = [
    {"role": "system", "content": "You pay invoices. Be exact."},
    {"role": "user", "content": "Please pay the invoice of Keller Paper."},
]
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }
    for name in ("read_mail", "send_money")
]


def read_mail(query: str) -> str:
    """A tool whose result is text."""
    return f"Found for {query}: 4820 EUR to DE89370400440532013000."


def send_money(recipient: str, amount: int) -> str:
    """A tool whose result is JSON text."""
    return json.dumps({"paid": amount, "to": recipient})


FUNCTIONS: dict[str, Callable[..., str]] = {"read_mail": read_mail, "send_money": send_money}
Tool = Callable[[str, dict[str, Any], str], AbstractContextManager[Any]]


def loop(client: Any, tool: Tool) -> None:
    """Ask the model until it asks for nothing more."""
    messages: list[Any] = list(MESSAGES)
    while True:
        answer = client.chat.completions.create(model="some-model", messages=messages, tools=TOOLS)
        said = answer.choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        if not said.tool_calls:
            return
        for call in said.tool_calls:
            arguments = json.loads(call.function.arguments)
            with tool(call.function.name, arguments, call.id) as running:
                result = FUNCTIONS[call.function.name](**arguments)
                running(result)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def with_recorder(client: Any, collector: str, token: str, spool: Path) -> None:
    """The loop as somebody who uses the recorder writes it."""
    from locard.ingest.recorder import Recorder, RecorderSettings

    recorder = Recorder(RecorderSettings(endpoint=collector, token=token, spool=spool))
    with recorder.session(SESSION, provider="openai") as session:
        messages: list[Any] = list(MESSAGES)
        calls: Any = True
        while calls:
            session.prompt(messages, tools=TOOLS, model="some-model")
            answer = client.chat.completions.create(
                model="some-model", messages=messages, tools=TOOLS
            )
            calls = session.model_output(answer).calls
            messages.append(answer.choices[0].message.model_dump(exclude_none=True))
            for call in calls:
                with session.tool_call(call.name, call.arguments, call_id=call.id) as running:
                    result = running.result(FUNCTIONS[call.name](**call.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    recorder.close(30)


@contextmanager
def providers(collector: str, token: str) -> Iterator[tuple[Any, Any]]:
    """OpenTelemetry's own SDK with its own exporters, flushed at the end."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    headers = {"Authorization": f"Bearer {token}"}
    resource = Resource.create({"service.name": "payer"})
    spans, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces", headers=headers))
    )
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{collector}/v1/logs", headers=headers))
    )
    yield spans, logs
    logs.shutdown()
    spans.shutdown()


def with_opentelemetry(way: str, client: Any, collector: str, token: str) -> None:
    """The published instrumentation, and spans for agent and tools as the conventions have them."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    with providers(collector, token) as (spans, logs):
        OpenAIInstrumentor().instrument(tracer_provider=spans, logger_provider=logs)
        tracer = spans.get_tracer("agent")

        @contextmanager
        def tool(name: str, arguments: dict[str, Any], call_id: str) -> Iterator[Any]:
            attributes = {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": call_id,
                "gen_ai.tool.call.arguments": json.dumps(arguments),
            }
            with tracer.start_as_current_span(f"execute_tool {name}", attributes=attributes) as s:
                yield lambda result: s.set_attribute("gen_ai.tool.call.result", result)

        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "payer"}
        if (
            way == "span"
        ):  # the others have no id of a conversation anywhere: the trace stands for it
            attributes["gen_ai.conversation.id"] = SESSION
        with tracer.start_as_current_span("invoke_agent payer", attributes=attributes):
            loop(client, tool)


def with_openinference(client: Any, collector: str, token: str) -> None:
    """The published OpenInference instrumentation, with its own spans for agent and tools."""
    from openinference.instrumentation import OITracer, TraceConfig, using_session
    from openinference.instrumentation.openai import OpenAIInstrumentor

    with providers(collector, token) as (spans, _):
        OpenAIInstrumentor().instrument(tracer_provider=spans)
        tracer = OITracer(spans.get_tracer("agent"), config=TraceConfig())

        @contextmanager
        def tool(name: str, arguments: dict[str, Any], call_id: str) -> Iterator[Any]:
            with tracer.start_as_current_span(name, openinference_span_kind="tool") as span:
                span.set_tool(name=name, parameters=arguments)
                span.set_attribute("tool.id", call_id)
                span.set_input(arguments)
                yield span.set_output

        with (
            using_session(SESSION),
            tracer.start_as_current_span("payer", openinference_span_kind="agent"),
        ):
            loop(client, tool)


def main() -> None:
    """Run the agent once."""
    way, model, collector, token, spool = sys.argv[1:]
    content = {"span": "span_only", "event": "event_only", "both": "span_and_event"}
    if way in content:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = content.get(
        way, "no_content"
    )
    import openai

    client = openai.OpenAI(base_url=f"{model}/v1", api_key="none", max_retries=0)
    if way == "recorder":
        with_recorder(client, collector, token, Path(spool))
    elif way == "openinference":
        with_openinference(client, collector, token)
    else:
        with_opentelemetry(way, client, collector, token)


if __name__ == "__main__":
    main()
