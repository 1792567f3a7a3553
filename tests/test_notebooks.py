"""The MyST → notebook generator: nothing lost, nothing raw, the same bytes every time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupytext.myst import myst_to_notebook

from book._tools import notebooks
from book._tools.myst import ConversionError, Converter
from book._tools.references import read_references
from book._tools.repository import Repository

GITHUB = Repository("https://github.com/someone/some-book")
HEAD = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n"
BIB = """
@misc{one2020, title = {First {Work}}, author = {Kuhn, Harold}, year = {2020}, eprint = {2001.1}}
@misc{two2021, title = {Second}, author = {A, X and van den B, Y}, year = {2021}, doi = {10.1/x}}
@misc{many2022, title = {Third}, author = {C, X and D, Y and E, Z}, year = {2022}}
"""
CHAPTER = """
# Emitting vectors

```{badges}
```

(start)=
## The start

% a comment
See {cite:t}`two2021`, {cite:p}`one2020,many2022`, {doc}`05_other`, {doc}`the next <05_other>`,
{ref}`start`, {ref}`there <other-part>`, {eq}`score`, {numref}`fig-a`, {numref}`picture %s <fig-a>`,
{numref}`fig-b`, {term}`golds <gold>`, {ref}`ex-a`, [other](05_other.md), [](other-part)
and ``{ref}`x` ``.

$$
s(v, d) = v \\cdot d
$$ (score)

$$ a = b $$ (second)

```{figure} figures/a.png
:name: fig-a
:alt: Two crossing lines

A *caption*.
```

```{code-cell} ipython3
:tags: [hide-input]

x = 1
# not a heading {ref}`nothing`
assert x == 1
```

:::{note}
Read {doc}`05_other`.

```python
print("{ref}`kept`")
```
:::

```{exercise} Count
:label: ex-a
How many?
```

```{solution-start} ex-a
:class: dropdown
```

Two.

```{code-cell} ipython3
two = 2
```

Both.

```{solution-end}
```

After it.

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  figure:
    name: fig-b
    caption: |
      **Pull** the slider, as in {numref}`fig-a`: $x$ --- or {term}`gold`.
---
# Draw it
y = x + 1
```

```{code-cell} ipython3
:tags: [remove-cell]

claim("y is two", y == 2)
```

## References

```{bibliography}
:filter: docname in docnames
```
"""
OTHER = "# Other page\n\n(other-part)=\n## Other part\n\nText.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "references.bib").write_text(BIB)
    (tmp_path / "04_chapter.md").write_text(HEAD + CHAPTER)
    (tmp_path / "05_other.md").write_text(OTHER)
    (tmp_path / "glossary.md").write_text("# Glossary\n\n```{glossary}\ngold\n  An answer.\n```\n")
    return tmp_path


def load(text: str) -> Any:
    return nbformat.reads(text, as_version=4)


def markdown(text: str) -> str:
    return "\n\n".join(cell.source for cell in load(text).cells if cell.cell_type == "markdown")


def convert(folder: Path, source: str, line: int = 1) -> str:
    return Converter("04_chapter", read_references(folder, None), source).convert(source, line)


def test_code_cells_survive_and_the_same_bytes_come_each_time(folder: Path) -> None:
    source = folder / "04_chapter.md"
    first, second = (notebooks.render(source, None) for _ in range(2))
    assert first == second and first.endswith("}\n")
    notebook = load(first)
    nbformat.validate(notebook)
    made = [cell for cell in notebook.cells if cell.cell_type == "code"]
    wanted = [c.source for c in myst_to_notebook(source.read_text()).cells if c.cell_type == "code"]
    titles = ["Code of what is shown below", "Solution to Exercise 4.1", ""]
    titles.append("Claims of the text, checked")
    wanted = [f"# @title {t}\n{code}" for t, code in zip(titles, wanted, strict=True)]
    wanted[2] = "# @title Draw it\ny = x + 1"  # a comment is the title
    wanted.insert(1, "# Your answer to Exercise 4.1")
    assert [cell.source for cell in made[1:]] == wanted
    assert all(cell.outputs == [] and cell.execution_count is None for cell in made)
    folded = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in made]
    assert folded == [True, True, False, True, True, True]
    assert all(cell.metadata.cellView == "form" for cell in made if cell.metadata.get("jupyter"))


def test_markup_becomes_plain_markdown(folder: Path) -> None:
    text = markdown(notebooks.render(folder / "04_chapter.md", None))
    for expected in (
        "# 4. Emitting vectors",
        "See [A and van den B (2021)](https://doi.org/10.1/x), "
        "([Kuhn, 2020](https://arxiv.org/abs/2001.1); C et al., 2022), "
        "[Other page](05_other.md), [the next](05_other.md),\nThe start, [there](05_other.md), "
        "(4.1), Figure 4.1, picture 4.1,\n"
        "Figure 4.2, [golds](glossary.md), Exercise 4.1, [other](05_other.md), "
        "[Other part](05_other.md)\nand ``{ref}`x` ``.",
        "s(v, d) = v \\cdot d\n\\tag{4.1}\n$$",
        "a = b\n\\tag{4.2}\n$$",
        "![Two crossing lines](figures/a.png)",
        "**Figure 4.1.** A *caption*.",
        "**Figure 4.2.** **Pull** the slider, as in Figure 4.1: $x$ --- or [gold](glossary.md).",
        "> **Note**\n>\n> Read [Other page](05_other.md).",
        '> print("{ref}`kept`")',
        "#### Exercise 4.1: Count\n\nHow many?\n\n<details>"
        "<summary>Solution to Exercise 4.1</summary>\n\nTwo.\n\n</details>\n\n<details>"
        "<summary>Solution to Exercise 4.1</summary>\n\nBoth.\n\n</details>\n\nAfter it.",
        "- Harold Kuhn. [First Work](https://arxiv.org/abs/2001.1). 2020.",
    ):
        assert expected in text, expected
    assert text.index("Harold Kuhn") > text.index("X A, Y van den B")  # sorted by author
    visible = re.sub(r"```.*?```|``.*?``", "", text, flags=re.DOTALL)
    for raw in ("{ref}", "{cite", ":::", "{note}", ":label:", ")=", "% a comment", "{badges}"):
        assert raw not in visible, raw


def test_links_lead_to_the_repository_when_it_is_known(folder: Path) -> None:
    (folder / "05_other.md").write_text(HEAD + OTHER + "\n```{code-cell}\n1\n```\n")
    text = markdown(notebooks.render(folder / "04_chapter.md", GITHUB))
    colab = "https://colab.research.google.com/github/someone/some-book/blob/main/book/"
    assert f"]({colab}04_chapter.ipynb)" in text.splitlines()[0]
    assert f"[Other page]({colab}05_other.ipynb)" in text
    assert f"[golds]({GITHUB.url}/blob/main/book/glossary.md)" in text
    assert f"({GITHUB.url}/raw/main/book/figures/a.png)" in text


def test_exercises_come_without_solutions(folder: Path, tmp_path: Path) -> None:
    (made,) = notebooks.write_exercises(folder, tmp_path / "out", None)
    cells = load(made.read_text()).cells
    said = "\n".join(cell.source for cell in cells)
    assert "#### Exercise 4.1: Count" in said and "# Your answer to Exercise 4.1" in said
    assert "Two." not in said and "two = 2" not in said and "Both." not in said
    assert "After it." in said and "y = x + 1" in said


@pytest.mark.parametrize("given", ["name: fig-b", "caption: Look"])
def test_a_figure_of_a_cell_needs_a_name_and_a_caption(folder: Path, given: str) -> None:
    source = folder / "04_chapter.md"
    cell = f"```{{code-cell}}\n---\nmystnb: {{figure: {{{given}}}}}\n---\n1\n```\n"
    source.write_text(f"{HEAD}\n# T\n\n{cell}")
    with pytest.raises(ConversionError, match=r"04_chapter\.md:8: a figure of a code cell needs"):
        notebooks.render(source, None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("```{seealso} First.\n\nSecond.\n```", "> **See also**\n>\n> First.\n>\n> Second."),
        ("````{dropdown} More\nBody\n````", "> **More**\n>\n> Body"),
        ("```{margin}\nAside\n```", "> Aside"),
        ("{py:class}`~amer_lite.model.amer.AMER`", "`amer_lite.model.amer.AMER`"),
        ("- item\n\n  ```{tip}\n  Inside\n  ```", "- item\n\n  > **Tip**\n  >\n  > Inside"),
        ("[web](https://example.org/a) `a` b", "[web](https://example.org/a) `a` b"),
    ],
)
def test_single_constructs(folder: Path, source: str, expected: str) -> None:
    assert convert(folder, source) == expected


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("```{mermaid}\nx\n```", "directive 'mermaid'"),
        ("{ref}`nowhere`", "unknown label 'nowhere'"),
        ("{doc}`nowhere`", "unknown page 'nowhere'"),
        ("[x](#nowhere)", "unknown label 'nowhere'"),
        ("{cite}`nobody1999`", "'nobody1999', which is not in references.bib"),
        ("```{exercise} Count\nx\n```", "unknown label ''"),
        ("```{figure} a.png\n:name: fig-a\n```", "no :alt: text"),
        ("```{note}\nx", "never closed"),
        ("$$\nx", "never closed"),
        ("::: box\nx\n:::", "names no directive"),
    ],
)
def test_unknown_markup_is_an_error_that_names_file_and_line(
    folder: Path, source: str, problem: str
) -> None:
    text = f"First.\n\n:::{{note}}\nA note.\n:::\n\n{source}"
    with pytest.raises(ConversionError, match=rf"^04_chapter\.md:16: .*{re.escape(problem)}"):
        convert(folder, text, line=10)


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](<JavaScript:a b>)",
        "[x][1]\n\n[1]: data:text/html,x",
        "<vbscript:a>",
        "[x](java&#115;cript:a)",
        "![x](file:///etc/passwd)",
        'a <a href="java&#10;script:a">x</a>',
        '<b onclick="x">b</b>',
    ],
)
def test_a_link_that_runs_something_is_refused(link: str, folder: Path) -> None:
    (folder / "04_chapter.md").write_text(f"{HEAD}# Title\n\n{link}\n")
    with pytest.raises(ConversionError, match=r"^04_chapter\.md:\d+: .* is no link to a page"):
        notebooks.render(folder / "04_chapter.md", None)


def test_error_line_counts_from_the_top_of_the_file(folder: Path) -> None:
    source = folder / "04_chapter.md"
    source.write_text(HEAD + "\n\n# T\n\n```{code-cell}\n1\n```\n\n\nText {bad}`x`\n")
    with pytest.raises(ConversionError, match=r"04_chapter\.md:14: role 'bad'"):
        notebooks.render(source, None)
