"""A look at every figure with small data, and the few properties that a look does not show."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from amer_book import figures
from amer_book.figures import page
from amer_book.figures.geometry import _rim
from amer_book.figures.searching import _side

POLE = np.array([0.0, 0.0, 1.0])
TEXT = "1 < 2 & <i>x</i>, " + "long " * 30  # of a document: nothing in it is markup
TRIPLES = [(50.0, 40.0, 65.0), (20.0, 10.0, 30.0)]
VIEWS: Any = {"k = 10": {"a": TRIPLES, "b": [6.0, 3.0]}, "k = 100": {"b": [9.0, 1.0]}}
PANEL = {"a": TRIPLES, "b": TRIPLES, "chance": [60.0, 30.0], "b alone": [90.0, 70.0]}
WAY = np.arange(12.0).reshape(3, 2, 2)
TURNS = [figures.Turn(0, 0, True), figures.Turn(1, 0, False), figures.Turn(1, 1, True)]
FOREST: Any = {
    "intents": {"@10": (20, 17, 23), "@100": (0, -1, 1)},
    "kinds": {"@10": (-1, -2, -0.5)},
}


def plane(ranks: list[int]) -> figures.ScorePlane:
    points, texts = np.linspace(-0.5, 0.5, 2 * len(ranks)).reshape(-1, 2), [TEXT] * len(ranks)
    return figures.ScorePlane(points, points + 0.1, texts, points, texts, ranks)


def cap(angle: float) -> figures.Cap:
    return figures.Cap(np.eye(3)[:2], np.array([True, False]), POLE, angle, angle + 0.2, 27)


# fmt: off
DRAWN: list[tuple[str, tuple, dict]] = [  # function, arguments
    ("score_planes", ({w: plane([7, 1234]) for w in ("crane", "pen", "bass")}, 10, "across"), {}),
    ("caps", (np.eye(3), {n: [cap(0.5), cap(0.9)] for n in "23"}, ["10°", "20°"]), {}),
    ("lines", (VIEWS, ["near", "far"], "distance"), {}),
    ("lines", ({"": {"a": [1.0, 2.0]}}, [4, 16], "tokens", "percent"), {"percent": True}),
    ("panels", ({v: {"x": PANEL, "y": PANEL} for v in "12"}, ["near", "far"], "distance", "%"),
     {"dotted": {"chance": None, "b alone": "b"}}),
    ("dots", ({m: {"a": [99, 98], "b": [0, 1], "top": [1, 9]} for m in ("@10", "@100")},
              ["linear", "mlp"], "%"), {"limits": ["top"]}),
    ("dots", ({"": {"b": [9, 1], "c": [1, 2]}}, ["x<br>y", "z"], "%"), {"joined": True}),
    ("seed_dots", ({"one": [1.0, 3.0], "two": [2.5, 3.5]}, "one", "found"), {}),
    ("forest", (FOREST, "points"), {"tolerated": -0.5}),
    ("frontier", ({v: {"a": [(1.0, 20.0, "0.1"), (2.0, 30.0, "0")], "b": [(1.0, 25.0, "x")]}
                   for v in "12"}, "searches", "%"), {"dotted": ["a"]}),
    ("cache_work", ({"cached": [(3, 0), (1, 3)], "not": [(3, 0), (4, 0)]},), {}),
    ("who_finds_what", (["crane", "pen"], [[TEXT, TEXT], [TEXT]], [[[2000, 1]] * 8, [[3]] * 8],
                        ["single", *"1234567"], 100), {}),
    ("pointing", ([TEXT, "gasket"], [["sonnet", "and"], ["gasket"]], [np.eye(2), np.ones((2, 1))],
                  ["v1", "v2"], [[TEXT, TEXT], [TEXT, TEXT]]), {}),
    ("assignment", (np.full((2, 2, 3), 0.3), ["a", "b", "c"], [0, 50]), {}),
    ("trails", (np.eye(2), {"one": WAY[:, :1], "two": WAY}, [0, 10, 20]),
     {"reach": 12, "names": ["a", "b"]}),
    ("gathering", ({v: figures.Gathering(WAY, WAY[:, :1], [[0, 1]]) for v in "ab"}, [0, 1, 2]), {}),
    ("around", ({q: [figures.Mark((0.3, 0.4), TEXT, k) for k in ("other", "found", "missed ones")]
                 for q in "ab"}, ("other", "found", "missed ones"),
                {q: {"first 10": 0.4} for q in "ab"}), {}),
    ("merge_steps", (np.array([[4, 7], [4, 9]]), {"turns": TURNS, "votes": TURNS},
                     dict.fromkeys((4, 7, 9), TEXT), {9}, ["v1", "v2"]), {}),
    ("phase_diagram", ([8, 16], [2, 8], {"gap": np.ones((2, 2, 2)), "one": np.zeros((2, 2, 2))},
                       ["a", "b"], {"edge": [[(8, 2), (16, 8)], [(9, 3), (12, 5)]]}), {}),
    ("predictions", ({"room": [0.5, 1.5], "rho": [3.0, 1.0]}, {"quiet": [0], "noisy": [1]},
                     [0.0, 90.0], {"room": [1.0], "rho": [1.4, 2.0]}, ["w0", "w1"]), {}),
    ("bill", ({v: {"read": [1, 1], "search": [1, 2]} for v in ("one", "256")}, [1, 2], "ms"), {}),
    ("tradeoff", ({n: {"flat": [(5, 100, "")], "IVF": [(1, 60, "<i>"), (2, 90, "16")]}
                   for n in ("10,000", "100,000")}, "ms"), {}),
    ("estimate", ({"flat": np.ones((2, 3)), "IVF": np.full((2, 3), 0.1)}, ["10⁶", "10⁹"],
                  [1, 2, 5], "$"), {}),
    ("quality_and_cost", ({v: {"one": [figures.Priced("<i>", 0, -1, 1, (1, 9)),
                                       figures.Priced("int8", -1, -2, 0, (None, 3))],
                               "six": [figures.Priced("six", 2, 1, 3, (6, 20))]} for v in "ab"},
                          {v: [["<i>", "six"], ["int8", "six"]] for v in "ab"},
                          {"searches": "searches a query", "time": "ms"}, "points"), {}),
]
# fmt: on


@pytest.fixture(params=DRAWN, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(DRAWN)])
def fig(request: pytest.FixtureRequest) -> go.Figure:
    name, given, options = request.param
    drawn: go.Figure = getattr(figures, name)(*given, **options)
    drawn.update_layout(meta=name)
    return drawn


def test_every_figure_is_looked_at() -> None:
    public = {name for name in figures.__all__ if name[0].islower()}
    assert public - {"show"} == {name for name, *_ in DRAWN}


def test_nothing_is_blank_untitled_or_in_a_foreign_colour(fig: go.Figure) -> None:
    for trace in fig.data:
        values = trace.z if trace.type == "heatmap" else trace.x
        assert values is not None and len(values), trace.name
    if fig.layout.meta not in ("caps", "trails", "panels"):  # spaces, and titles as annotations
        for axis, at in ((fig.layout.xaxis, "x"), (fig.layout.yaxis, "y")):
            named = (
                axis.ticktext or axis.showticklabels is False or isinstance(fig.data[0][at][0], str)
            )
            assert axis.title.text or named or fig.layout.meta == "merge_steps"
    used = re.findall('"(#[0-9a-fA-F]{6})"', fig.to_json().split('"template"')[0])
    scale = {colour for t in fig.data if t.type == "heatmap" for _, colour in t.colorscale}
    assert set(used) <= {*page.PALETTE, page.GREY} | scale


def test_series_are_told_apart_without_colour() -> None:
    for name in ("lines", "dots", "who_finds_what", "predictions", "forest"):
        given, options = next((given, options) for n, given, options in DRAWN if n == name)
        drawn = getattr(figures, name)(*given, **options)
        first = [t for t in drawn.data if t.visible is not False and t.name]
        assert len({str(t.marker.symbol) for t in first}) == len(first)


def test_a_menu_starts_with_its_first_entry_and_shows_every_trace(fig: go.Figure) -> None:
    for menu in fig.layout.updatemenus:
        if "visible" not in menu.buttons[0].args[0]:  # it moves the traces; first is what is drawn
            for name, values in menu.buttons[0].args[0].items():
                assert [list(trace[name]) for trace in fig.data] == [list(v) for v in values]
            continue
        seen = np.array([button.args[0]["visible"] for button in menu.buttons])
        assert [trace.visible for trace in fig.data] == seen[0].tolist()
        times = seen.sum(axis=0)
        assert set(times) <= {1, len(seen)} and (seen.sum(axis=1) > 0).all()


def test_a_slider_starts_where_the_figure_stands(fig: go.Figure) -> None:
    for slider in fig.layout.sliders:
        change, traces = slider.steps[slider.active].args
        for name, values in change.items():
            for number, value in zip(traces, values, strict=True):
                drawn = fig.data[number].to_plotly_json()
                for part in name.split("."):
                    drawn = drawn.get(part) if isinstance(drawn, dict) else None
                if value is not None:
                    assert np.array(drawn).tolist() == np.array(value).tolist(), name
        assert all(set(step.args[0]) == set(change) for step in slider.steps)


def test_texts_of_documents_are_no_markup(fig: go.Figure) -> None:
    assert "<i>" not in json.dumps(json.loads(fig.to_json()))  # plotly's own escapes undone


HOSTILE = '<a href="javascript:1">{}</a>%{{y}}'


def hostile(given: Any) -> Any:
    """The same with every text a link and a place to fill."""
    if isinstance(given, str):
        return HOSTILE.format(given)
    if isinstance(given, dict):
        return {hostile(key): hostile(value) for key, value in given.items()}
    if isinstance(given, list | tuple):
        items = map(hostile, given)
        return type(given)(*items) if hasattr(given, "_fields") else type(given)(items)
    return given


@pytest.mark.parametrize(("name", "given", "options"), DRAWN)
def test_no_text_is_a_link_or_a_template(name: str, given: tuple, options: dict) -> None:
    options = {key: hostile(value) for key, value in options.items()}
    drawn = getattr(figures, name)(*hostile(given), **options)
    said = json.dumps(json.loads(drawn.to_json()), ensure_ascii=False)
    assert not re.search(r"<a |</a>|%\{y\}</a", said)
    assert "%{y}&lt;" not in said and not re.search(r"&lt;/a&gt;%\{", said)


def test_inside_the_build_a_figure_is_html_with_its_alt_text(
    fig: go.Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMER_LITE_BOOK", "1")
    shown: list = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    figures.show(fig, 'a "quoted" <figure>')
    html = shown[0]["text/html"]
    assert shown[0].keys() == {"text/html", "text/plain"}
    assert html.startswith('<figure class="plot" aria-label="a &quot;quoted&quot; &lt;figure&gt;">')
    (drawn,) = re.findall(r'<script type="application/json">(.*)</script></figure>$', html)
    assert "<" not in drawn and json.loads(drawn)["config"]["showSendToCloud"] is False
    assert json.loads(drawn)["data"] == json.loads(fig.to_json())["data"]


def test_outside_the_build_a_figure_is_plotlys_own_and_html(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AMER_LITE_BOOK", raising=False)
    shown: list = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    figures.show(go.Figure().add_scatter(y=[1.5, 2]), "nothing")
    own, html = shown[0]["application/vnd.plotly.v1+json"], shown[0]["text/html"]
    assert shown[0]["text/plain"] == "nothing"
    assert own["data"][0]["y"] == [1.5, 2] and own["config"]["showSendToCloud"] is False
    assert own["layout"]["template"]["layout"]["height"] == page.TEMPLATE.layout.height
    assert '<script charset="utf-8" src="https://cdn.plot.ly/plotly-' in html
    with pytest.raises(ValueError, match="alt"):
        figures.show(go.Figure(), " ")


def test_a_view_shows_what_it_names() -> None:
    drawn = figures.lines(VIEWS, ["near", "far"], "distance")
    shown, layout = drawn.layout.updatemenus[0].buttons[1].args
    (trace,) = [t for t, seen in zip(drawn.data, shown["visible"], strict=True) if seen]
    assert list(trace.y) == VIEWS["k = 100"]["b"] and layout == {"yaxis.title.text": "k = 100"}
    assert trace.line.color == drawn.data[1].line.color  # a series keeps its look
    assert list(drawn.data[0].y + drawn.data[0].error_y.array) == [65, 30]


def test_golds_are_found_up_to_rank_k_and_differences_filled_off_zero() -> None:
    drawn = {t.name: t for t in figures.score_planes({"": plane([7, 1234])}, 10, "").data}
    assert drawn["sense found"].text == ("7",) and drawn["sense missed"].text == ("1,234",)
    ten, hundred = figures.forest(FOREST, "points").data
    assert list(ten.marker.symbol) == ["circle", "circle"] and "open" in hundred.marker.symbol[0]


def test_labels_of_close_points_take_different_sides_and_a_rim_lies_on_the_sphere() -> None:
    column = np.array([[0.3, 0.5], [0.3, 0.45], [0.3, 0.4]])
    assert len({_side(column, row) for row in range(3)}) == 3
    rim = _rim(POLE, 0.7)
    np.testing.assert_allclose(np.linalg.norm(rim, axis=1), 1)
    np.testing.assert_allclose(rim @ POLE, np.cos(0.7))


def test_the_shaded_cap_covers_what_the_golds_need_and_says_how_many_are_inside() -> None:
    drawn = figures.caps(np.eye(3), {"two": [cap(0.5)]}, ["10°"])
    shade = drawn.data[-1]
    assert shade.name == "cap around all golds: 27 documents"
    points = np.stack([shade.x, shade.y, shade.z], axis=1)
    assert np.min(points @ POLE) == pytest.approx(1.01 * np.cos(0.7), abs=1e-3)
    corners = points[np.stack([shade.i, shade.j, shade.k], axis=1)]
    sides = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(sides, axis=1).sum() / 2 / 1.01**2
    assert area == pytest.approx(2 * np.pi * (1 - np.cos(0.7)), rel=0.01)
