"""Which attribute means what: OpenTelemetry GenAI v1.41.1 first, then newer names and aliases.

The order of each list is the order in which names are looked for.
"""

from __future__ import annotations

from typing import Final

SESSION: Final = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "ai.telemetry.metadata.sessionId",
    "langsmith.metadata.thread_id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.conversation_id",
    "traceloop.association.properties.thread_id",
    "traceloop.association.properties.chat_id",
    "lmnr.association.properties.session_id",
    "conversation.id",
    "thread.id",
)
USER: Final = (
    "user.id",
    "enduser.id",
    "enduser.pseudo.id",
    "langfuse.user.id",
    "gen_ai.user",
    "llm.user",
    "langsmith.metadata.user_id",
    "traceloop.association.properties.user_id",
)
AGENT_ID: Final = ("gen_ai.agent.id", "agent_id", "graph.node.id")
AGENT_NAME: Final = ("gen_ai.agent.name", "agent.name", "graph.node.name")
AGENT_VERSION: Final = ("gen_ai.agent.version",)
ENVIRONMENT: Final = ("deployment.environment.name", "deployment.environment")

PROVIDER: Final = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
PROVIDERS_RENAMED: Final = {
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
REQUEST_MODEL: Final = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "llm.model_name",
    "ai.model.id",
    "model",
)
RESPONSE_MODEL: Final = ("gen_ai.response.model", "llm.response.model_name", "ai.response.model")
RESPONSE_ID: Final = ("gen_ai.response.id", "ai.response.id")
FINISH_REASONS: Final = (
    "gen_ai.response.finish_reasons",
    "llm.finish_reason",
    "ai.response.finishReason",
)
TOKENS: Final = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.promptTokens",
        "input_tokens",
        "input_token_count",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.completionTokens",
        "output_tokens",
        "output_token_count",
    ),
    "cache_read_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
        "cache_read_tokens",
        "cached_token_count",
    ),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
        "cache_creation_tokens",
    ),
    "reasoning_output_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "llm.token_count.completion_details.reasoning",
        "reasoning_token_count",
    ),
}
"""The columns of usage. Totals and other counts stay attributes: they say nothing of their own."""

PARAMETERS_PREFIX: Final = "gen_ai.request."
PARAMETERS: Final = ("gen_ai.output.type", "llm.invocation_parameters", "ai.settings.maxRetries")
TOOL_DEFINITIONS: Final = ("gen_ai.tool.definitions", "ai.prompt.tools")
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"

INPUT_MESSAGES: Final = ("gen_ai.input.messages", "llm.input_messages")
OUTPUT_MESSAGES: Final = ("gen_ai.output.messages", "llm.output_messages")
INPUT_VALUES: Final = (
    "gen_ai.prompt",
    "ai.prompt.messages",
    "ai.prompt",
    "traceloop.entity.input",
    "mlflow.spanInputs",
    "input.value",
)
OUTPUT_VALUES: Final = (
    "gen_ai.completion",
    "ai.response.text",
    "traceloop.entity.output",
    "mlflow.spanOutputs",
    "output.value",
)

TOOL_NAME: Final = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_name")
TOOL_TYPE: Final = ("gen_ai.tool.type",)
CALL_ID: Final = (
    "gen_ai.tool.call.id",
    "tool.id",
    "tool_call.id",
    "ai.toolCall.id",
    "call_id",
    "tool_use_id",
)
TOOL_ARGUMENTS: Final = (
    "gen_ai.tool.call.arguments",
    "ai.toolCall.args",
    "tool_call.function.arguments",
    "input.value",
    "tool.parameters",
    "traceloop.entity.input",
    "mlflow.spanInputs",
)
TOOL_RESULT: Final = (
    "gen_ai.tool.call.result",
    "ai.toolCall.result",
    "output.value",
    "traceloop.entity.output",
    "mlflow.spanOutputs",
)
MCP_METHOD: Final = "mcp.method.name"
MCP_SESSION: Final = "mcp.session.id"
JSONRPC_ID: Final = "jsonrpc.request.id"
ERROR_TYPE: Final = "error.type"

EVENT_DETAILS: Final = "gen_ai.client.inference.operation.details"
EVENT_EVALUATION: Final = "gen_ai.evaluation.result"
EVENT_EXCEPTION: Final = "gen_ai.client.operation.exception"
EVENT_CHOICE: Final = "gen_ai.choice"
ROLE_OF_MESSAGE_EVENT: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
EVENT_CONTENT: Final = "gen_ai.event.content"

EVALUATION_LISTS: Final = {
    f"{about}{what}s": what
    for about in ("", "trace.", "session.")
    for what in ("evaluation", "annotation")
}
"""Lists of OpenInference, and what the items of each are called."""

HIDDEN: Final = frozenset({"__REDACTED__", "<REDACTED>"})
"""What instrumentations write in place of a value that they hide."""
