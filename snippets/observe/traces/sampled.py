# region imports, and where the spans go
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.sdk.trace.sampling import (
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

exporter = InMemorySpanExporter()
# endregion


def sampler(share: float) -> Sampler:
    return ParentBased(TraceIdRatioBased(share))


def process(share: float) -> TracerProvider:
    provider = TracerProvider(sampler=sampler(share))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def orders(number: int) -> int:
    """Return how many orders are recorded in one process and not in both."""
    server = process(share=0.5).get_tracer("server")
    worker = process(share=0.1).get_tracer("worker")
    for _ in range(number):
        with server.start_as_current_span("order"):
            worker.start_span("confirm").end()
    names = [span.name for span in exporter.get_finished_spans()]
    return names.count("order") - names.count("confirm")


if __name__ == "__main__":
    print("cut:", orders(1000))
    #> cut: 0
