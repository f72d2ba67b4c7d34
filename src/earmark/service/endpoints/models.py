"""GET /v1/models and /v1/models/{name}: the served models and their cards."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from earmark.core.card import ModelCard
from earmark.service import schemas
from earmark.service.problems import Problem

router = APIRouter()


@router.get("/v1/models", summary="The served models", response_model=schemas.ModelsAnswer)
async def list_models(request: Request) -> dict[str, Any]:
    cards: dict[str, ModelCard] = request.app.state.cards
    return {"models": [_summary(card, card.name == next(iter(cards))) for card in cards.values()]}


@router.get(
    "/v1/models/{name}",
    summary="A model's card",
    response_model=schemas.CardAnswer,
    responses={404: schemas.NOT_FOUND},
)
async def show_model(request: Request, name: str) -> Response:
    cards: dict[str, ModelCard] = request.app.state.cards
    if name not in cards:
        raise Problem(404, "not-found", f"model {name!r}: served are {', '.join(cards)}")
    return Response(cards[name].to_json(), media_type="application/json")


def _summary(card: ModelCard, is_default: bool) -> dict[str, Any]:
    return {
        "name": card.name,
        "default": is_default,
        "n_tags": len(card.vocabulary),
        "window_seconds": card.input.window_seconds,
        "licence": card.licence,
        "description": card.description,
    }
