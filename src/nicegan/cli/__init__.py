"""The command line. Commands are imported when they run, so that help is quick."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module

from nicegan.errors import ConfigError, ElsewhereError, NiceganError, is_out_of_memory
from nicegan.extras import ANALYSING, STUDYING, TRAINING, TRYING, require
from nicegan.nearest import did_you_mean

COMMANDS = {  # name -> (module, what it does)
    "train": ("nicegan.cli.train", "train a translator between two folders of images, or go on with a run"),
    "translate": ("nicegan.cli.translate", "translate images or folders with a trained model"),
    "analyze": (
        "nicegan.cli.analyze",
        "see where the domains lie in the latent space, and what the discriminators look at",
    ),
    "evaluate": ("nicegan.cli.evaluate", "score a model or a folder of images against real ones, with intervals"),
    "report": ("nicegan.cli.report", "tell all of a run in one file: curves, scores, latents, heatmaps, cost"),
    "import": ("nicegan.cli.import_", "turn a checkpoint of a published implementation into a model"),
    "bench": ("nicegan.cli.bench", "measure speed, and predict memory"),
    "ablate": ("nicegan.cli.ablate", "train every combination of some switches, and compare them in one table"),
    "compare": ("nicegan.cli.compare", "train several recipes under equal conditions, and compare them in one table"),
    "data": ("nicegan.cli.data", "list the benchmark data sets, or fetch them by name"),
    "study": ("nicegan.cli.study", "let people rate outputs in a browser, and report which they prefer"),
    "app": ("nicegan.cli.app", "try models in a browser: drop an image, see its translations side by side"),
    "cache": ("nicegan.cli.cache", "list or remove what is kept on the disk to save time"),
    "demo": ("nicegan.cli.demo", "train on painted scenes in minutes, and see how near the truth it comes"),
}
SHARED = {"train", "translate", "evaluate"}  # commands whose work several processes can share
NEEDED = {
    "analyze": ANALYSING,
    "report": ANALYSING,
    "demo": TRAINING,
    "ablate": TRAINING,
    "compare": TRAINING,
    "study": STUDYING,
    "app": TRYING,
}
LASTING = {"train", "ablate", "compare", "demo"}  # commands that go on when nobody reads what they say any more
USAGE_ERROR, LOST_PEER = 2, 1


def main(arguments: list[str] | None = None) -> None:
    """Run one command; the process exits with its code: 0, 2 for a mistake of the user, 130 or 143 after a signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  closed by whoever started us
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        sys.exit(run(arguments))
    except ElsewhereError:
        sys.exit(USAGE_ERROR)
    except NiceganError as problem:
        if not is_said_by_another():
            sys.stderr.write(f"nicegan: {problem}\n")
        sys.exit(USAGE_ERROR)
    except BrokenPipeError:  # whoever read our output has gone
        sys.stderr.close()
        sys.exit(1)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        sys.stderr.write(f"nicegan: {where}{problem.strerror or problem}\n")
        sys.exit(USAGE_ERROR)
    except (MemoryError, RuntimeError) as problem:
        if is_lost_peer(problem):
            reason = (str(problem).strip().splitlines() or [""])[0]
            sys.stderr.write(
                "nicegan: another process of this run has gone, or cannot be reached; torchrun --max-restarts N starts "
                f"all again ({reason})\n"
            )
            sys.exit(LOST_PEER)
        if not is_out_of_memory(problem):
            raise
        sys.stderr.write("nicegan: out of memory: try a smaller --batch-size, --image-size or --resize\n")
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:
        sys.stderr.write("nicegan: interrupted\n")
        sys.exit(130)


def is_said_by_another() -> bool:
    """Before the processes of a launcher have joined, all of them make the same mistake, and the first one says it."""
    processes = sys.modules.get("nicegan.distributed")
    has_joined = processes is not None and processes.has_joined
    return "LOCAL_RANK" in os.environ and os.environ.get("RANK", "0") != "0" and not has_joined


def is_lost_peer(problem: Exception) -> bool:
    """Return whether a collective operation failed, as it does in every process when one has died."""
    names = {kind.__name__ for kind in type(problem).__mro__}
    return "LOCAL_RANK" in os.environ and ("DistError" in names or "gloo" in str(problem).lower())


def run(arguments: list[str]) -> int:
    """Run the command that the arguments name; returns its exit code."""
    name, *rest = (re.sub(r"^(--[\w.-]+=)(~[^/]*)", _expanded, argument) for argument in arguments or ["--help"])
    if name in ("-h", "--help"):
        sys.stdout.write(help_text())
        return 0
    if name == "--version":
        from importlib.metadata import version

        sys.stdout.write(f"nicegan {version('nicegan')}\n")
        return 0
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or f"; there is {', '.join(COMMANDS)}"
        sys.stderr.write(f"nicegan: there is no command {name!r}{hint}\n")
        return USAGE_ERROR
    if name not in SHARED and "LOCAL_RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(f"{name} is the work of one process: start it without torchrun")
    if name in NEEDED:
        require(name, NEEDED[name])
    if name in LASTING:
        from nicegan.console import LastingStream

        sys.stdout, sys.stderr = LastingStream(sys.stdout), LastingStream(sys.stderr)  # pyright: ignore[reportAttributeAccessIssue]
    return import_module(COMMANDS[name][0]).run(rest)


def _expanded(match: re.Match[str]) -> str:
    """Expand the ~ of --out=~/runs, which shells leave."""
    return match[1] + os.path.expanduser(match[2])


def help_text() -> str:
    """Return what `nicegan --help` prints."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
    return (
        "usage: nicegan COMMAND ...\n\n"
        "Unpaired image-to-image translation: NICE-GAN, and the methods it was compared with.\n\n"
        f"commands:\n{rows}\n\n"
        "nicegan COMMAND --help says more. To start: nicegan demo\n"
    )
