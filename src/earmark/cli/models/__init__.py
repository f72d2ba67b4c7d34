"""`earmark models`: list models and architectures, show cards, fetch published models."""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

group = lazy_group(
    "models",
    "Models: list them, read their cards, fetch published ones, exchange them with hubs.",
    (
        Entry(
            "list",
            "earmark.cli.models.list:list_models",
            "List the models that `earmark tag --model` takes by name, and those that `earmark models pull` can fetch.",
            no_args_is_help=False,
        ),
        Entry(
            "show",
            "earmark.cli.models.show:show",
            "Show a model's card: tags, thresholds, training data, measured quality, licence, limits.",
            no_args_is_help=False,
        ),
        Entry(
            "pull",
            "earmark.cli.models.pull:pull",
            "Fetch a published model and make it ready for `earmark tag --model NAME`.",
            no_args_is_help=False,
        ),
        Entry(
            "push",
            "earmark.cli.models.push:push",
            "Send a model to a hub: README with model-index, config, ONNX file and weights, as one commit.",
        ),
    ),
)
