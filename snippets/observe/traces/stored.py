# region imports, and where the spans go
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("shop")
# endregion


def store(order: int) -> dict[str, object]:
    """Return the row of a message, as a request writes it."""
    carrier = dict[str, str]()
    with tracer.start_as_current_span("store"):
        inject(carrier)
    return {"order": order, "traceparent": carrier.get("traceparent")}


def relay(row: dict[str, object]) -> None:
    """Send a message, minutes later and in another process."""
    context = extract({"traceparent": row["traceparent"]})
    with tracer.start_as_current_span("relay", context=context):
        ...  # here it publishes the task


if __name__ == "__main__":
    relay(store(7))
    spans = exporter.get_finished_spans()
    print("traces:", len({span.context.trace_id for span in spans}))
    #> traces: 1
