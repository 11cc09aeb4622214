from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan


def roots(spans: Sequence[ReadableSpan]) -> list[str]:
    """Return the names of the spans that begin a trace."""
    return [span.name for span in spans if span.parent is None]
