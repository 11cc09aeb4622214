# region imports, an endpoint and a task
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter,
)
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"])
celery = Celery("shop", broker=os.environ.get("BROKER_URL"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()
    await asyncio.to_thread(app.state.provider.shutdown)  # it sends the rest


app = FastAPI(lifespan=lifespan)


@celery.task(name="confirm")
def confirm(order: int) -> None:
    print(f"Order {order} is confirmed.")


@app.post("/orders/{order}")
async def place(order: int) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT :order"), {"order": str(order)})
    await asyncio.to_thread(confirm.delay, order)


# endregion
def trace_as(service: str) -> TracerProvider:
    resource = Resource.create({"service.name": service})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


@worker_process_init.connect(weak=False)
def begin(**_: object) -> None:
    provider = trace_as("worker")
    CeleryInstrumentor().instrument()
    worker_process_shutdown.connect(lambda **_: provider.shutdown(), weak=False)


def create() -> FastAPI:
    app.state.provider = trace_as("server")
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"])
    SQLAlchemyInstrumentor().instrument(
        engine=engine.sync_engine, skip_dep_check=True
    )
    CeleryInstrumentor().instrument()
    return app
