"""Which ids of two models stand for the same token, and whether a comparison over them is exact."""

from superficial.artifacts.errors import UserError
from superficial.shift.pair.report import NamedToken, PairReport, RenumberedToken, VocabularyReport
from superficial.shift.pair.splitting import splitting_difference, text_start_differs
from superficial.shift.pair.vocabulary import Vocabulary

OTHERWISE = "without ranks of every token, figures/byte_spans compares any two"


def match_vocabularies(base: Vocabulary, aligned: Vocabulary) -> PairReport:
    """The report of a pair.

    Tokens are the same if their text is the same. Ordinary tokens must have equal ids; tokens that were added to a
    tokenizer (special ones) may have others or be missing on one side. An end of turn that the base does not have is
    matched with the base's own.

    Raises:
        UserError: ordinary tokens differ, or the tokenizers split text differently.
    """
    where = f"pair {base.model} / {aligned.model}"
    added = base.added | aligned.added
    ordinary = [{text: token for text, token in side.ids.items() if text not in added} for side in (base, aligned)]
    if ordinary[0] != ordinary[1]:
        raise UserError(
            _difference(base, aligned, *ordinary),
            where=where,
            remedy=f"choose two models of one family: response token ids must mean the same to both; {OTHERWISE}",
        )
    found = splitting_difference(base, aligned)
    if found:
        raise UserError(
            f"the tokenizers split text differently: {found}",
            where=where,
            remedy="choose two models whose tokenizers come from one training: this base never read text so split; "
            + OTHERWISE,
        )
    partners = {aligned.ids[text]: base.ids[text] for text in aligned.ids.keys() & base.ids.keys()}
    end, how = aligned.end_of_turn, "none"
    if end is not None and end in partners:
        how = "same id" if partners[end] == end else "text"
    elif end is not None and base.end_of_turn is not None:
        # The base's end of turn may be a token of the aligned model, too, one that no longer ends its turns.
        partners = {token: other for token, other in partners.items() if other != base.end_of_turn}
        partners[end], how = base.end_of_turn, "role"
    exact = base.ids == aligned.ids and base.rows == aligned.rows
    if exact:
        partners = {token: token for token in range(base.rows)}  # rows without a token are the same rows
    return PairReport(
        verdict="exact" if exact else "restricted",
        shared=len(partners),
        moved=[] if exact else _moved(base, aligned, partners),
        end_of_turn=how,
        text_start_differs=text_start_differs(base, aligned),
        base=_side(base, set(partners.values())),
        aligned=_side(aligned, set(partners)),
    )


def _moved(base: Vocabulary, aligned: Vocabulary, partners: dict[int, int]) -> list[RenumberedToken]:
    found = []
    for token, other in sorted(partners.items()):
        text = aligned.texts[token]
        by = "text" if base.texts[other] == text else "role"
        if token != other or by == "role":
            found.append(RenumberedToken(text=text, base=other, aligned=token, by=by))
    return found


def _side(side: Vocabulary, compared: set[int]) -> VocabularyReport:
    left_out = [token for token in range(side.rows) if token not in compared]
    return VocabularyReport(
        model=side.model,
        head_rows=side.rows,
        tokens=len(side.ids),
        padding_rows=side.rows - len(side.texts),
        beyond_head=side.beyond_head,
        bos=side.token(side.bos),
        writes_bos=side.writes_bos,
        ends=[token for token in map(side.token, side.ends) if token],
        template_end=side.token(side.template_end),
        end_of_turn=side.token(side.end_of_turn),
        only=[NamedToken(id=token, text=side.texts[token]) for token in left_out if token in side.texts],
        excluded=id_runs(left_out),
    )


def id_runs(ids: list[int]) -> list[tuple[int, int]]:
    """Rising ids as runs of consecutive ones, first and last of each.

    >>> id_runs([3, 4, 5, 9])
    [(3, 5), (9, 9)]
    """
    found: list[tuple[int, int]] = []
    for token in ids:
        if found and found[-1][1] == token - 1:
            found[-1] = (found[-1][0], token)
        else:
            found.append((token, token))
    return found


def _difference(base: Vocabulary, aligned: Vocabulary, ordinary: dict[str, int], others: dict[str, int]) -> str:
    odd = sorted(ordinary.items() ^ others.items(), key=lambda entry: (entry[1], entry[0]))[0][0]
    return (
        f"different vocabularies: {len(base.ids)} and {len(aligned.ids)} tokens, "
        f"{odd!r} has id {base.ids.get(odd)} in one and {aligned.ids.get(odd)} in the other"
    )
