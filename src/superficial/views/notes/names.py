"""What people read instead of keys, where a key is no word."""

KINDS = {"function": "function word", "end": "end of turn"}
GROUPS = {"stem": "STEM"}
NOT_ENGLISH = "not English"
NO_KINDS = "Kinds of token are left out: they hold for English, and these responses are not."


def kind_name(kind: str) -> str:
    """A kind of token.

    >>> kind_name("end"), kind_name("style")
    ('end of turn', 'style')
    """
    return KINDS.get(kind, kind)


def group_name(group: str) -> str:
    """A task or topic.

    >>> group_name("stem"), group_name("info-seek")
    ('STEM', 'info-seek')
    """
    return GROUPS.get(group, group)
