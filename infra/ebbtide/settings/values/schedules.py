"""Which commands send by the clock."""

import re

# What stands between Celery's name and its subcommand: options, of which these take a word, and `?` for words that
# nobody knows.
_CELERY = r"\bcelery(?:\s+(?:{0}\s+\S+|(?!{0}\s)[-?]\S*))*".format(
    r"(?:-A|--app|-b|--broker|--result-backend|--loader|--config|--workdir)"
)
_KEEPS = re.compile(rf"{_CELERY}\s+beat(?:\s|$)|\bartisan\s+schedule:work(?:\s|$)")
_WITH_BEAT = re.compile(rf"{_CELERY}\s+worker\b.*\s(?:--beat|-[EqD]*B)(?:\s|$)", re.DOTALL)


def keeps_schedule(command: str) -> bool:
    """Whether a command sends by the clock, and handles no message: celery beat, Laravel's schedule:work."""
    return _KEEPS.search(command) is not None


def has_beat_beside(command: str) -> bool:
    """Whether a worker of Celery's has beat beside its tasks."""
    return _WITH_BEAT.search(command) is not None
