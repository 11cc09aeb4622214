# region imports, and the app
from http.client import responses

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

app = FastAPI()


# endregion
def problem(status: int, **more: object) -> JSONResponse:
    told = {"title": responses.get(status, "Error"), "status": status, **more}
    return JSONResponse(told, status, media_type="application/problem+json")


@app.exception_handler(HTTPException)
async def refused(request: Request, error: HTTPException) -> Response:
    if error.status_code in {204, 304}:  # these have no body
        return Response(None, error.status_code, error.headers)
    answer = problem(error.status_code, detail=error.detail)
    answer.headers.update(error.headers or {})
    return answer


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> Response:
    keys = "loc", "msg"
    told = [{key: one[key] for key in keys} for one in error.errors()]
    return problem(422, errors=told)


@app.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> Response:
    return problem(500)


# region an endpoint
@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    """Refuse each order."""
    raise HTTPException(404, "Order not found")


# endregion
