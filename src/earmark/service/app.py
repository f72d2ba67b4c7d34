"""The application: routes, API key, and errors as problem bodies."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from earmark.core.version import __version__
from earmark.service import schemas
from earmark.service.endpoints import ENDPOINTS
from earmark.service.metrics import Metrics
from earmark.service.middleware import RequestMiddleware
from earmark.service.page import PAGE_FOLDER, Page
from earmark.service.problems import Problem
from earmark.service.settings import Settings
from earmark.service.tag_query import ALLOWED, TagQuery
from earmark.service.work import Work, load_models

DESCRIPTION = """Tags music. Files are kept on disk while they are tagged, and deleted afterwards.

Every refusal is an `application/problem+json` body (RFC 9457) with the members type, title, status and detail."""

_SCHEME = HTTPBearer(auto_error=False, description="The key that the service was started with.")


def create_app(settings: Settings | None = None, *, page: Path = PAGE_FOLDER) -> FastAPI:
    """The service as an ASGI application; ``app.state.work`` is its :class:`earmark.service.work.Work` while it runs.

    Args:
        settings: limits, models, API key; None for the defaults.
        page: folder of the built page.

    Raises:
        ModelError: a model is missing or cannot be loaded.
    """
    chosen = settings or Settings()
    models = load_models(chosen)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.work = Work(chosen, models, metrics)
        try:
            yield
        finally:
            work, app.state.work = app.state.work, None
            await work.close()

    app = FastAPI(
        title="earmark",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.work = None
    app.add_middleware(RequestMiddleware, metrics=metrics)
    _answer_errors(app)
    key = [Depends(_key_check(chosen.api_key))] if chosen.api_key is not None else []
    keyed: dict[int | str, dict[str, Any]] = {401: schemas.WRONG_KEY} if key else {}
    app.state.cards = {name: model.card for name, model in models.items()}
    app.state.metrics = metrics
    for endpoint in ENDPOINTS:
        needs_key = getattr(endpoint, "NEEDS_KEY", True)
        app.include_router(
            endpoint.router, dependencies=key if needs_key else None, responses=keyed if needs_key else None
        )
    app.router.default = Page(page)  # after all routes, so that a wrong method on one of them stays a 405
    _complete_openapi(app, list(models), chosen.max_files)
    return app


def _key_check(key: str) -> Callable[..., None]:
    """A dependency that requires `Authorization: Bearer KEY`. Digests are compared in constant time."""
    wanted = hashlib.sha256(key.encode()).digest()

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]) -> None:
        found = hashlib.sha256(given.credentials.encode("utf-8", "surrogateescape") if given else b"").digest()
        if not hmac.compare_digest(found, wanted) or given is None:
            raise Problem(
                401,
                "wrong-key",
                "send the key as `Authorization: Bearer KEY`",
                headers={"WWW-Authenticate": 'Bearer realm="earmark"'},
            )

    return check


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def refused(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def wrong_values(_request: Request, error: RequestValidationError) -> Response:
        found = list(dict.fromkeys(_describe(item) for item in error.errors()))
        return Problem(422, "wrong-values", "; ".join(found), errors=found).response()

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        allowed = (error.headers or {}).get("Allow", "GET, HEAD")
        kinds = {
            404: ("not-found", request.url.path[:200]),
            405: ("wrong-method", f"{request.method[:20]}: allowed here are {allowed}"),
        }
        kind, detail = kinds.get(error.status_code, ("bad-request", str(error.detail)))
        return Problem(error.status_code, kind, detail, headers=dict(error.headers or {})).response()


def _describe(error: dict[str, Any]) -> str:
    """A validation error as text: the value, and what is allowed."""
    name = str(error["loc"][1]) if len(error["loc"]) > 1 else "query"
    if error["type"] == "extra_forbidden":
        return f"{name[:100]!r}: there is no such setting; there are {', '.join(TagQuery.model_fields)}"
    allowed = ALLOWED.get(name, error["msg"])
    return f"{name} {str(error['input'])[:100]!r}: must be {allowed}"


def _complete_openapi(app: FastAPI, models: list[str], max_files: int) -> None:
    """Add what FastAPI cannot know: the schema of problems, the names of models, and the limit on files."""
    document = app.openapi()
    components = document["components"]["schemas"]
    components["ProblemAnswer"] = schemas.ProblemAnswer.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status == "422" and "application/json" in answer.get("content", {}):
                    operation["responses"][status] = schemas.WRONG_VALUES
    tag = document["paths"]["/v1/tag"]["post"]
    for parameter in tag["parameters"]:
        if parameter["name"] == "model":
            parameter["schema"] = {"type": "string", "enum": models, "default": models[0]}
    tag["requestBody"] = schemas.upload_body(max_files)
