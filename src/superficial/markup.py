"""Plain text inside Markdown and LaTeX."""

_LATEX = {ord(char): f"\\{char}" for char in "%&#_${}"} | {
    ord("\\"): r"\textbackslash{}", ord("~"): r"\textasciitilde{}", ord("^"): r"\textasciicircum{}",
    ord("→"): r"$\rightarrow$", ord("−"): "$-$", ord("·"): r"$\cdot$", ord("≤"): r"$\leq$", ord("Δ"): r"$\Delta$",
}  # fmt: skip


def markdown_text(text: str) -> str:
    r"""Text without what Markdown would read as markup.

    >>> markdown_text("a|b_c")
    'a\\|b\\_c'
    """
    return "".join(f"\\{char}" if char in "\\`*_[]<>|" else char for char in " ".join(text.split()))


def latex_text(text: str) -> str:
    r"""Text without what LaTeX would read as commands.

    >>> latex_text("50 % of a_b")
    '50 \\% of a\\_b'
    """
    return " ".join(text.split()).translate(_LATEX)
