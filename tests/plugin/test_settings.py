"""Settings keep what is put into them, and survive what does not belong there."""

from __future__ import annotations

import pytest
from qgis.core import QgsSettings

from qgis_mpsclip.settings import HISTORY_LENGTH, Settings

OTHERS = {
    "engine_python": "/opt/venv/bin/python",
    "cache_folder": "/big/disk",
    "results_folder": "/home/u/found",
    "default_model": "openai-vit-b-32",
    "device": "cuda:0",
    "idle_minutes": 3,
    "llm_url": "http://localhost:11434/v1",
    "llm_model": "qwen",
    "llm_authcfg": "abc1234",
    "log_level": "debug",
    "render_limit_pixels": 5,
    "install_folder": "/big/disk/engines",
    "install_folders": ["/big/disk/engines", "/home/u/engines"],
    "package_index": "https://packages.example/simple",
    "torch_index": "https://torch.example/cpu",
    "wheels_folder": "/media/stick/wheels",
    "history": ["boats, -pier", "car parks"],
}


def defaults() -> dict[str, object]:
    return {name: getattr(Settings(), name) for name in OTHERS}


@pytest.mark.parametrize("name", OTHERS)
def test_value_is_kept_for_the_next_session(name: str) -> None:
    setattr(Settings(), name, OTHERS[name])
    QgsSettings().sync()
    assert getattr(Settings(), name) == OTHERS[name]
    assert type(getattr(Settings(), name)) is type(OTHERS[name])
    assert QgsSettings().contains(f"mpsclip/{name}")


@pytest.mark.parametrize("name", OTHERS)
def test_default_leaves_no_trace(name: str) -> None:
    default = getattr(Settings(), name)
    setattr(Settings(), name, OTHERS[name])
    setattr(Settings(), name, default)
    assert getattr(Settings(), name) == default
    assert not QgsSettings().contains(f"mpsclip/{name}")


def test_text_where_a_number_belongs_reads_as_the_default() -> None:
    QgsSettings().setValue("mpsclip/idle_minutes", "soon")
    assert Settings().idle_minutes == defaults()["idle_minutes"]


def test_history_of_one_query_stays_a_list() -> None:
    QgsSettings().setValue("mpsclip/history", "car parks")
    assert Settings().history == ["car parks"]


def test_history_holds_a_query_once_the_newest_first_and_not_without_end() -> None:
    settings = Settings()
    for number in range(HISTORY_LENGTH + 5):
        settings.remember(f"query {number}")
    settings.remember("query 20")
    assert settings.history[:2] == ["query 20", f"query {HISTORY_LENGTH + 4}"]
    assert len(settings.history) == len(set(settings.history)) == HISTORY_LENGTH


def test_default_of_a_list_cannot_be_spoilt() -> None:
    Settings().history.append("x")
    assert Settings().history == []
