"""The lower panels of figures/safety_depth: how often each model declines after the first k tokens of an opening."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from superficial.config.schema import FigureStage, PairTitle
from superficial.views.figures.style import LINES, interval, name_curves, shape, shorten, width, wrap

SIDES = {"aligned": "aligned model", "base": "base model"}
MARKERS = "sv^oDX"


def draw_rates(part: SubFigure, cfg: FigureStage, rows: pd.DataFrame, pair: PairTitle) -> None:
    """A panel for each model, a line for each opening; one text where there are too few examples."""
    axes = part.subplots(*shape(cfg, len(SIDES)), sharey=True)
    enough = rows[rows["examples"] >= cfg.min_examples]
    prefixes, openings = sorted(set(rows["k"])), list(dict.fromkeys(rows["opening"]))
    for axis, (side, title) in zip(axes, SIDES.items(), strict=True):
        mine = enough[enough["side"] == side]
        for index, opening in enumerate(openings):
            _draw(axis, cfg, mine[mine["opening"] == opening], prefixes, index, len(openings))
        n = f", n = {int(mine['examples'].iloc[0])}" if len(mine) else ""
        axis.set_title(f"{title}: refusals, %{n}", loc="left")
        axis.set_xticks(range(len(prefixes)), [f"{k:g}" for k in prefixes])
        axis.set_xlabel("k: tokens of the opening that are given")
        axis.set_xlim(-0.5, max(len(prefixes), 1) - 0.5)
        axis.set_ylim(-4, 104)  # points on the edges are whole
        axis.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    if len(cfg.pairs) > 1:
        axes[0].set_ylabel(pair.title)
    few = f"Too few examples to draw:\nfewer than {cfg.min_examples} harmful instructions."
    name_curves(part, axes[0], few, ncols=1)


def _draw(axis: Axes, cfg: FigureStage, found: pd.DataFrame, prefixes: list[int], index: int, of: int) -> None:
    """A line with whiskers, a little aside for each further opening; k = 0 is the same for all."""
    if found.empty:
        return
    at = [prefixes.index(k) + (0.16 * (index - (of - 1) / 2) if k else 0) for k in found["k"]]
    mean, low, high = (100 * found[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
    longest = shorten(str(found.sort_values("k")["given"].iloc[-1]).strip(), 90)
    label = "\n".join(wrap(f"{found['opening'].iloc[0]}: “{longest}”", int(15 * width(cfg))))
    axis.errorbar(
        at, mean, yerr=[(mean - low).clip(0), (high - mean).clip(0)], fmt=f"{MARKERS[index % len(MARKERS)]}-",
        markersize=3.5, linewidth=1.1, elinewidth=0.8, color=LINES[(index + 2) % len(LINES)],
        label=label,
    )  # fmt: skip


def note(cfg: FigureStage, rows: pd.DataFrame, agreement: pd.DataFrame) -> list[str]:
    """What the panels show, how a refusal is told and how well, and what so few examples cannot tell."""
    window = f"{int(rows['window'].max())} tokens" if len(rows) else "text"
    precision, recall = (agreement.loc[name] for name in ("precision", "recall"))
    n = int(rows["examples"].max()) if len(rows) else 0
    lines = [
        "Last two: asked for harm, both models go on greedily from the first k tokens of an opening; counted are "
        f"responses whose next {window} decline, by phrases (on {int(agreement['texts'].max())} hand-labelled ones: "
        f"precision {precision['value']:.2f}, recall {recall['value']:.2f}).",
        f"Whiskers: {interval(cfg)}s, bootstrap over responses.",
    ]
    if n:
        missed = 100 * (1 - (1 - cfg.confidence) ** (1 / n))  # a rate that n instructions may well show nothing of
        lines.append(
            f"At 0 and 100 % these have no width, but n = {n} cannot tell such a rate from one that is {missed:.0f} "
            "points away."
        )
    return lines
