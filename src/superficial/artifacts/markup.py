"""Plain text inside Markdown and LaTeX: the one place that knows what either would read as markup.

Whatever a user, a model or a judge wrote goes through here on its way into a printed table.
"""

import re

# Control characters, lone surrogates, and the bidirectional controls: an unpaired one of those can reorder what stands
# around a text. Tabs and line breaks stay.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# What is markup anywhere; brackets only where they could make a link, a definition or a footnote; `&` before an entity.
_MARKDOWN = re.compile(r"[\\`*_<>|~$#]|\[(?=\^)|\](?=[(\[:])|&(?=#?\w+;)")
# At the beginning of a line: a list or a rule.
_MARKDOWN_START = re.compile(r"\d*([-+.)](?= |$)|[-=](?=[-= ]*$))")

_LATEX = {char: f"\\{char}" for char in "%&#_${}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "-": "-{}",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "−": "$-$", "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "‖": r"$\Vert$", "Δ": r"$\Delta$",
    "η": r"$\eta$", "κ": r"$\kappa$", "μ": r"$\mu$", "µ": r"$\mu$", "°": r"$^\circ$", "•": r"\textbullet{}",
    "…": r"\dots{}",
}  # fmt: skip
# Everything but ASCII, dashes and quotation marks, and those Latin letters that pdflatex sets without a package.
_LATEX_OTHER = re.compile(
    "-(?=-)|[\\\\~^`<>|%&#_${}]|[^ -~–—‘’“”À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ-ăĆ-ďĒ-ėĚ-ĥĨ-ĭİıĴ-ķĹ-ľŁ-ňŌ-ťŨ-űŴ-ž]"
)


# How a token that is a line break or a tab is shown.
MARKS = {"\n": "⏎", "\t": "⇥", "\r": "␍"}


def visible(text: str) -> str:
    r"""`text` with every character that would not show, or could not be written as UTF-8, spelled out.

    >>> visible("a\x00b\ud800c\n")
    'a<U+0000>b\\ud800c\n'
    """
    return _HIDDEN.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    char = found[0]
    if "\ud800" <= char <= "\udfff":
        return f"\\u{ord(char):04x}"
    return "␍" if char == "\r" else _code(char)


def _code(char: str) -> str:
    return f"<U+{ord(char):04X}>"


def readable(text: str) -> str:
    """Line breaks and tabs as signs, other control characters by number, everything else as it is.

    >>> readable(" a\\n\\n")
    ' a⏎⏎'
    >>> readable("\\x00")
    '<U+0000>'
    """
    return "".join(MARKS.get(char) or (char if char.isprintable() else f"<U+{ord(char):04X}>") for char in text)


def markdown_text(text: str) -> str:
    r"""Text in one line, without what Markdown would read as markup.

    >>> print(markdown_text("a|b_c [0.1, 0.2]"))
    a\|b\_c [0.1, 0.2]
    >>> print(markdown_text("[a](b) &amp; 1. c"))
    [a\](b) \&amp; 1. c
    """
    line = _MARKDOWN.sub(r"\\\g<0>", " ".join(visible(text).split()))
    start = _MARKDOWN_START.match(line)
    return f"{line[: start.start(1)]}\\{line[start.start(1) :]}" if start else line


def latex_text(text: str) -> str:
    r"""Text in one line, without what LaTeX would read as commands; letters that pdflatex lacks are spelled out.

    >>> print(latex_text("50 % of a_b → 你"))
    50 \% of a\_b $\rightarrow$ \textless{}U+4F60\textgreater{}
    """
    line = " ".join(visible(text).split())
    # At the beginning of a cell a bracket or a star would belong to the command that ended the row before.
    return ("{}" if line[:1] in ("[", "*") else "") + _LATEX_OTHER.sub(_latex, line)


def _latex(found: re.Match[str]) -> str:
    return _LATEX.get(found[0]) or latex_text(_code(found[0]))


def minus(number: str) -> str:
    """A number as print shows it: with a minus sign, not a hyphen.

    >>> minus("-0.5 [-1.0, 0.2]")
    '−0.5 [−1.0, 0.2]'
    """
    return number.replace("-", "−")
