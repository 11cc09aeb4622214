# region imports, and the app
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

app = FastAPI()


# endregion
def problem(status: int) -> JSONResponse:
    """Answer as RFC 9457 says."""
    told = {"title": HTTPStatus(status).phrase, "status": status}
    return JSONResponse(told, status, media_type="application/problem+json")


@app.exception_handler(HTTPException)
async def refused(request: Request, error: HTTPException) -> JSONResponse:
    answer = problem(error.status_code)
    answer.headers.update(error.headers or {})
    return answer


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: Exception) -> JSONResponse:
    return problem(422)


@app.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> JSONResponse:
    return problem(500)


# region an endpoint
@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    """Refuse each order."""
    raise HTTPException(404)


# endregion
