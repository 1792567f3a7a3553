"""Slides and PDF of a chapter: what is shown, what is said, and that nothing is fetched."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from jupytext.myst import myst_to_notebook

from book._tools import pdf, slides

HEAD = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n"
CHAPTER = """
# Title

Opening.

More words.

## Section

First.

Second.

$$ a = b $$

- item

```{code-cell}
x = 1
print(x)
```

```{code-cell}
---
tags: [hide-input]
mystnb: {figure: {name: fig-a, caption: Look.}}
---
print("folded")
```

```{code-cell}
:tags: [hide-input]

import os
```

```{code-cell}
:tags: [remove-cell]

print("claim")
```

```{exercise} Count
:label: ex-a
How many?
```

```{solution-start} ex-a
```

Secret.

```{code-cell}
print("secret")
```

```{solution-end}
```

## References

Long.
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "04_chapter.md"
    path.write_text(HEAD + CHAPTER)
    notebook = myst_to_notebook(path.read_text())
    for cell in notebook.cells:
        if cell.cell_type == "code" and "print" in cell.source:
            cell.outputs = [nbformat.v4.new_output("stream", text=f"output of {cell.source}")]
    nbformat.write(notebook, tmp_path / "done.ipynb")
    return path


def test_headings_start_slides_and_prose_goes_to_the_notes(source: Path) -> None:
    made = list(slides.Slides(source, source.with_name("done.ipynb"), None).slides())
    shown = [(cell["metadata"]["slideshow"]["slide_type"], cell["source"]) for cell in made]
    assert shown == [
        ("slide", "# 4. Title"),
        ("-", "Opening."),
        ("notes", "More words."),
        ("slide", "## Section"),
        ("-", "First."),
        ("notes", "Second."),
        ("-", "$$\na = b\n$$"),
        ("-", "- item"),
        ("subslide", "x = 1\nprint(x)"),
        ("subslide", "# @title Code of what is shown below\nprint(\"folded\")"),
        ("-", "**Figure 4.1.** Look."),
        ("subslide", "#### Exercise 4.1: Count"),
        ("-", "How many?"),
    ]  # fmt: skip


def test_a_page_of_slides_fetches_nothing(source: Path) -> None:
    made = list(slides.Slides(source, source.with_name("done.ipynb"), None).slides())
    page = slides.export(made, "4. Title")
    assert "<title>4. Title slides</title>" in page
    assert "output of print(" in page and "@title" not in page and "x</span>" in page
    for address in re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)", page):
        assert address.startswith("assets/"), address


def test_another_notebook_than_the_chapters_is_refused(source: Path) -> None:
    done = source.with_name("done.ipynb")
    done.write_text(done.read_text().replace("x = 1", "x = 2"))
    with pytest.raises(ValueError, match=r"04_chapter\.md:\d+: not the cell that was run"):
        list(slides.Slides(source, done, None).slides())


def test_the_pdf_has_every_page_but_the_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = pdf.pages()
    assert names[0] == "index" and "01_one_query_many_answers" in names and "glossary" in names
    assert not [name for name in names if name.startswith("api")]
    monkeypatch.setattr(pdf, "find", lambda: None)
    assert pdf.main() == 1
    assert "no Chromium or Chrome to print with" in capsys.readouterr().err
