"""What audio a model takes."""

import pytest

from earmark.core.errors import ConfigError
from earmark.core.input_spec import Conditioning, InputSpec


def test_input_spec_reports_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        InputSpec(0, 10, 20, "skip")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


def test_conditioning_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Conditioning(level_dbfs=3, silence_range_db=0, cancelled_share=2)
    assert all(name in str(caught.value) for name in ("level_dbfs 3", "silence_range_db 0", "cancelled_share 2"))
    with pytest.raises(ConfigError, match="lead_samples"):
        InputSpec(16_000, 100, 100, lead_samples=5, conditioning=Conditioning())
