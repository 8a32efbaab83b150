"""The caption of a figure: what was measured, on what, with which intervals and limits. It lies beside the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from superficial.artifacts.markup import latex_text, markdown_text
from superficial.config.schema import FigureStage
from superficial.views.view import View

CAPTION = ".caption"  # NAME.caption.md and NAME.caption.tex lie beside NAME.pdf


@dataclass(frozen=True)
class Caption:
    """A short title and sentences, in plain text."""

    title: str
    sentences: Sequence[str]

    @property
    def text(self) -> str:
        """All that follows the title, in one paragraph."""
        return " ".join(sentence.strip() for sentence in self.sentences if sentence.strip())

    def forms(self) -> Mapping[str, str]:
        r"""The whole files by suffix: a paragraph of Markdown, and \caption{} for a LaTeX document."""
        title, text = latex_text(self.title), latex_text(self.text)
        return {
            f"{CAPTION}.md": f"**{markdown_text(self.title)}.** {markdown_text(self.text)}\n",
            f"{CAPTION}.tex": f"\\caption[{{{title}}}]{{\\textbf{{{title}.}} {text}}}\n",
        }


def caption(view: View, told: Sequence[str]) -> Caption:
    """What a view declares of itself, then what is `told` of this run."""
    beside = f"Compare {view.paper} of Lin et al. (2024)." if view.paper.startswith("Figure") else ""
    return Caption(view.title, [view.text, beside, *told])


def data(cfg: FigureStage) -> str:
    """Which instructions, and what the base reads before them."""
    return f"Data: {cfg.data}; context of the base: {cfg.base_context}."


def caption_file(figure: Path) -> Path:
    """The Markdown beside a figure, or beside any of its files."""
    return figure.with_suffix(f"{CAPTION}.md")


def plain(markdown: str) -> str:
    r"""The words of a caption's file, without its markup.

    >>> plain("**A\\_b.** 50 % [1, 2]\n")
    'A_b. 50 % [1, 2]'
    """
    blocks = MarkdownIt("commonmark", {"html": False}).parse(markdown)
    return "".join(part.content for block in blocks for part in block.children or ())
