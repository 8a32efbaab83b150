"""The pair report applied: which rows of the heads are compared, and which token ids the base reads."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from superficial.artifacts.damage import undamaged
from superficial.artifacts.errors import UserError
from superficial.models.head import LMHead
from superficial.shift.pair.report import PairReport

Ids = NDArray[np.int64]


class Pairing:
    """Shared tokens have *places* 0..S-1, in the order of the aligned model's ids.

    A comparison knows places only; in every table a token goes by its id in the aligned model.
    """

    def __init__(self, report: PairReport) -> None:
        self.report = report
        self._moved = {entry.aligned: entry.base for entry in report.moved}

    @classmethod
    def read(cls, path: Path) -> "Pairing":
        """From the file that the pair stage wrote."""
        with undamaged(path):
            return cls(PairReport.model_validate_json(path.read_text(encoding="utf-8")))

    @property
    def exact(self) -> bool:
        """Nothing differs: places are ids, and heads are compared whole."""
        return self.report.verdict == "exact"

    @cached_property
    def aligned_ids(self) -> Ids:
        """Id of each place in the aligned model, (S,)."""
        kept = np.ones(self.report.aligned.head_rows, dtype=bool)
        for first, last in self.report.aligned.excluded:
            kept[first : last + 1] = False
        return np.flatnonzero(kept)

    @cached_property
    def base_ids(self) -> Ids:
        """Id of each place in the base, (S,)."""
        found = self.aligned_ids.copy()
        for token, other in self._moved.items():
            found[np.searchsorted(self.aligned_ids, token)] = other
        return found

    def base_head(self, head: LMHead) -> LMHead:
        """The base's head over places."""
        return head if self.exact else head.cut(torch.from_numpy(self.base_ids))

    def aligned_head(self, head: LMHead) -> LMHead:
        """The aligned model's head over places."""
        return head if self.exact else head.cut(torch.from_numpy(self.aligned_ids))

    def places(self, responses: pd.DataFrame) -> torch.Tensor:
        """Places (N,) of all response tokens, in the order of `responses`."""
        ids = [self._checked(tokens, name) for name, tokens in _rows(responses, "token_ids")]
        tokens = np.concatenate(ids)
        return torch.from_numpy(tokens if self.exact else np.searchsorted(self.aligned_ids, tokens))

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """The token table with ids of the aligned model in place of places."""
        if self.exact:
            return table
        names = self.aligned_ids.astype(np.int32)
        lists = {column: [names[ids] for ids in table[column]] for column in ("base_top_ids", "aligned_top_ids")}
        return table.assign(token_id=names[table["token_id"]], **lists)

    def read_by(self, model: str, responses: pd.DataFrame) -> pd.DataFrame:
        """`responses` with the token ids that `model`, one of the pair, is fed; for the aligned model as they are.

        The last token of a response is predicted and never fed, so an end of turn may have the base's token of that
        role there, and only there.
        """
        if self.exact or model != self.report.base.model:
            return responses
        found = []
        for name, tokens in _rows(responses, "token_ids"):
            self._checked(tokens, name)
            found.append([*self._fed(tokens[:-1], name), self._moved.get(int(tokens[-1]), int(tokens[-1]))])
        return responses.assign(token_ids=found)

    def context_read_by_base(self, responses: pd.DataFrame) -> pd.DataFrame:
        """`responses` with the aligned model's prompt_ids as the base is fed them: every token must be one of its."""
        if self.exact:
            return responses
        found = [self._fed(self._checked(ids, name), name) for name, ids in _rows(responses, "prompt_ids")]
        return responses.assign(prompt_ids=found)

    def _fed(self, tokens: Ids, name: str) -> list[int]:
        by_role = {entry.aligned for entry in self.report.moved if entry.by == "role"}
        for token in tokens.tolist():
            if token in by_role:
                raise self._refusal(token, name, "inside, where the base would have to read it")
        return [self._moved.get(token, token) for token in tokens.tolist()]

    def _checked(self, tokens: Ids, name: str) -> Ids:
        if not self.exact:
            for token in tokens[~np.isin(tokens, self.aligned_ids)].tolist():
                raise self._refusal(token, name, "which the base does not have")
        return tokens

    def _refusal(self, token: int, name: str, why: str) -> UserError:
        aligned, moved = self.report.aligned, self.report.moved
        texts = {entry.id: entry.text for entry in aligned.only} | {entry.aligned: entry.text for entry in moved}
        return UserError(
            f"the ids of {aligned.model} hold token {token} ({texts.get(token, 'a padding row')!r}) {why}",
            where=f"pair {self.report.base.model} / {aligned.model}, instruction {name}",
            remedy="leave the instruction out, or choose a base that has the token",
        )


def _rows(responses: pd.DataFrame, column: str) -> list[tuple[Any, Ids]]:
    return [
        (name, np.asarray(ids, dtype=np.int64)) for name, ids in zip(responses["id"], responses[column], strict=True)
    ]
