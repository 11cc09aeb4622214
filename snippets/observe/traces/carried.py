# region imports, and an exporter that keeps spans in memory
import asyncio

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("shop")
# endregion


def render(order: int) -> bytes:
    with tracer.start_as_current_span("render"):
        return f"Invoice {order}".encode()


async def invoice(order: int) -> bytes:
    with tracer.start_as_current_span("invoice"):
        return await asyncio.to_thread(render, order)


if __name__ == "__main__":
    asyncio.run(invoice(7))
    spans = exporter.get_finished_spans()
    print("traces:", len({span.context.trace_id for span in spans}))
    #> traces: 1
