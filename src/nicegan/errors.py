"""The mistakes a user can make. The command line prints each as one line and exits with 2, without a traceback."""


class NiceganError(Exception):
    """What is wrong, where, and how to fix it."""


class ElsewhereError(NiceganError):
    """Another process of this run has failed, and says why."""


class ConfigError(NiceganError):
    """A setting that cannot work, or settings that do not fit each other."""


class InputError(ConfigError, TypeError):
    """An object from Python of a kind or range that cannot be used."""


class DataError(NiceganError):
    """Images that are missing, unreadable or of the wrong kind."""


class CheckpointError(NiceganError):
    """A model or checkpoint file that is missing, broken, or not what it claims to be."""


class StudyError(NiceganError):
    """A folder of a preference study that is missing, damaged, or not what it claims to be."""


class TrainingError(NiceganError):
    """A run that cannot go on: its numbers or its disk have gone wrong."""


def is_out_of_memory(problem: Exception) -> bool:
    """Return whether Python, a GPU, or PyTorch's CPU allocator has run out of memory."""
    names = {kind.__name__ for kind in type(problem).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate memory" in str(problem)
