"""The same crew on actors of a Ray cluster on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.jobs import Squares
from cluster.patience import patiently
from medfuncta._src.cluster.crew import crew_of
from medfuncta._src.errors import ConfigError, MedFunctaError

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Begun by this program, as a user's own would be: crews stay out of its beginning and end."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    patiently(ray.init)(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"}},
    )
    yield
    ray.shutdown()


def test_actors_die_and_are_replaced(cluster: None, tmp_path: Path) -> None:
    with crew_of(2, "ray", lambda: Squares(tmp_path)) as crew:
        assert crew is not None
        numbers = range(20)
        pid = next(crew.in_order(["pid"]))
        results = []
        for result in crew.in_order([*numbers, "die once", *numbers]):
            results.append(result)
            if len(results) == 3:
                os.kill(pid, signal.SIGKILL)
        squares = [number**2 for number in numbers]
        assert results == [*squares, "die once", *squares]
        assert crew.lost >= 1
        with pytest.raises(MedFunctaError, match=r"3 workers died.*Ray says ActorDiedError"):
            list(crew.in_order(["die"]))
    assert ray.is_initialized()


def test_as_many_actors_as_the_cluster_has_processors(cluster: None, tmp_path: Path) -> None:
    with crew_of(None, "ray", lambda: Squares(tmp_path)) as crew:
        assert crew is not None
        assert len(set(crew.in_order(["pid"] * 30))) <= 2
        assert list(crew.in_order(range(5))) == [0, 1, 4, 9, 16]


def test_an_address_where_no_cluster_is_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medfuncta._src.cluster import ray_actors

    def refusing(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nSecond line")

    monkeypatch.setattr(ray, "init", refusing)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=r"no Ray cluster at '10.0.0.1:1' .*ray start"):
        ray_actors.RayExecutor("10.0.0.1:1", 2)
