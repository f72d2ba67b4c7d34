"""The service does what its own OpenAPI document says, for requests that are drawn from it and for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from earmark.service.tag_query import TagQuery
from tests.helpers import sounds
from tests.helpers.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("uploads"), max_megabytes=1, max_files=5) as service:
        yield service


OPERATIONS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{name}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/v1/tag"),
]


@pytest.mark.slow
def test_every_address_is_in_the_document_and_has_an_example(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    assert {(m.upper(), path) for path, methods in document["paths"].items() for m in methods} == set(OPERATIONS)
    answers = document["paths"]["/v1/tag"]["post"]["responses"]
    assert set(answers) == {"200", "400", "408", "413", "415", "422", "503", "504", "507"}
    for answer in answers.values():
        assert all(content["example"] for content in answer["content"].values())
    assert set(answers["200"]["content"]) == {"application/json", "text/event-stream"}


REFUSED = ["400", "413", "415", "422"]


def draw(served: Served, method: str, path: str, mode: GenerationMode, then: Callable[[Case], object]) -> None:
    """Requests from the document, each handed to `then`."""
    config = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}})
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json(), config=config)
    strategy = schema[path][method].as_strategy(generation_mode=mode)

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def run(case: Case) -> None:
        then(case)

    run()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda word: word)
def test_answers_are_as_the_document_says(served: Served, method: str, path: str) -> None:
    # That bytes are no music is not to be seen from the document.
    excluded = [positive_data_acceptance] if method == "POST" else []
    url = str(served.client.base_url)
    draw(
        served,
        method,
        path,
        GenerationMode.POSITIVE,
        lambda case: case.call_and_validate(base_url=url, excluded_checks=excluded),
    )


@pytest.mark.slow
def test_what_the_document_allows_is_tagged(served: Served, tmp_path: Path) -> None:
    song = sounds.write_int_wav(tmp_path / "a.wav", sounds.music(1, 16_000)[0], 16_000).read_bytes()

    def with_music(case: Case) -> None:
        case.body = {"files": [song] * len(case.body["files"])}  # type: ignore[index,call-overload,arg-type]
        query = TagQuery.model_validate(case.query or {})
        if query.contradictions():  # which the document cannot say
            case.query = {"windows": query.windows} if query.windows else {}
        answer = case.call_and_validate(base_url=str(served.client.base_url), excluded_checks=[negative_data_rejection])
        assert answer.status_code == 200

    draw(served, "POST", "/v1/tag", GenerationMode.POSITIVE, with_music)


@pytest.mark.slow
def test_what_it_does_not_allow_is_refused(served: Served) -> None:
    draw(
        served,
        "POST",
        "/v1/tag",
        GenerationMode.NEGATIVE,
        lambda case: case.call_and_validate(base_url=str(served.client.base_url)),
    )
