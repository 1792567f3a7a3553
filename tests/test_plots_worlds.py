from __future__ import annotations

from amer_book.figures import gold_cosines, world_scores


def test_world_scores_shows_one_metric_at_a_time_with_every_value() -> None:
    scores = {
        "MRecall@10": {"AMER": [99.0, 98.0], "single": [0.0, 1.0]},
        "MRecall@100": {"AMER": [100.0, 99.5], "single": [0.0, 20.0]},
    }
    limits = {metric: {"oracle": [0.0, 60.0]} for metric in scores}
    fig = world_scores(["linear", "mlp"], scores, limits)
    labels = [button.label for button in fig.layout.updatemenus[0].buttons]
    assert labels == [*scores]
    for number, (metric, models) in enumerate(scores.items()):
        seen = fig.layout.updatemenus[0].buttons[number].args[0]["visible"]
        shown = [trace for trace, visible in zip(fig.data, seen, strict=True) if visible]
        assert {trace.name: list(trace.x) for trace in shown} == models | limits[metric]
        assert all(metric in trace.hovertemplate for trace in shown)
    assert [trace.visible for trace in fig.data] == [True] * 3 + [False] * 3
    symbols = {(trace.name, trace.marker.symbol) for trace in fig.data}
    assert len(symbols) == 3  # one look a model, told apart without colour
    rows = {trace.y[0] for trace in fig.data}
    assert len(rows) == 3  # equal values do not hide each other


def test_gold_cosines_draws_a_group_for_each_gold() -> None:
    fig = gold_cosines(["A", "B"], {"own": [0.8, 0.8], "one": [0.5, 0.2]})
    assert [list(bar.y) for bar in fig.data] == [[0.8, 0.8], [0.5, 0.2]]
    assert all(list(bar.x) == ["A", "B"] for bar in fig.data)
    assert fig.layout.barmode == "group"
