"""Commands are killed at random moments; what they make after all is what they make undisturbed.

    python -m tests.campaign kills [--count 500] [--seed N] [--state DIR] [--minutes M]

In: nothing; small inputs are drawn first. Out: a line now and then, and at the first fault the trial, what is wrong and
the command that repeats it. The folder `--state` keeps inputs, undisturbed outputs and a line for each kill, so that a
campaign that is stopped continues where it was.

A trial is one output of one command: it is killed one to three times, each time at a moment of its own, by SIGKILL
mostly, and then finished with --resume, where the command has that. The final name must always hold nothing or a
complete file, arrays and bytes must be those of the undisturbed run, and nothing may be left beside them. Each run is a
fork of this process, which has loaded all that it needs: so moments lie in the work and not in imports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fashret.errors import FashretError
from fashret.files.models import read_tensors

LOOKS = 0.002  # seconds between two looks at a run
LEAST = 50  # kills of each command
SIGNALS = (signal.SIGKILL,) * 6 + (signal.SIGTERM, signal.SIGINT)
TIMES = ("created", "seconds", "images_per_second", "digest of the crops")  # what differs from run to run


@dataclass(frozen=True)
class Command:
    """A command on the drawn inputs: its words, what it makes, and its words to finish what was killed."""

    words: str
    output: str
    resume: str = " --resume"


COMMANDS = {
    "crop": Command("crop inputs/photos/manifest.csv -o out/o.h5 --workers 2", "o.h5"),
    "embed": Command(
        "embed inputs/crops.h5 --model inputs/model -o out/o.h5 --batch-size 8 --workers 1 --threads 1", "o.h5"
    ),
    "train": Command(
        "train inputs/crops.h5 --recipe demo --epochs 4 --batch-products 4 --input 32x32 --validate-every 1 "
        "--checkpoint-every 2 --workers 1 --precision float32 --threads 1 -o out/o",  # not by load
        "o",
    ),
    "search": Command("search inputs/catalogue.emb.h5 -o out/o.h5", "o.h5", ""),
    "rerank": Command("rerank inputs/ranking.h5 -o out/o.h5", "o.h5"),
    "evaluate": Command(
        "evaluate --rerank inputs/catalogue.emb.h5 --crops inputs/crops.h5 --report out/o --csv", "o"
    ),
}  # fmt: skip
INPUTS = (
    "demo inputs/photos --products 48 --workers 1",
    "crop inputs/photos/manifest.csv -o inputs/crops.h5",
    "train inputs/crops.h5 --recipe demo --epochs 1 --batch-products 8 --input 32x32 --workers 0 -o inputs/model",
    "embed inputs/crops.h5 --model inputs/model -o inputs/catalogue.emb.h5 --workers 0",
    "search inputs/catalogue.emb.h5 -o inputs/ranking.h5",
)
MADE = {"photos", "crops.h5", "model", "catalogue.emb.h5", "ranking.h5"}


class FaultError(Exception):
    """What a trial found."""


# --- runs ---


def load_all() -> None:
    """Load what the commands need, and their compiled functions, into this process; torch computes nothing in it."""
    import torch

    import fashret
    from fashret.stages import crop, embed, evaluate, rerank, search, train  # noqa: F401

    torch.set_num_threads(1)
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    found = fashret.search(vectors, vectors[:20])
    assert len(found.neighbours.rows) == 40


def start(words: str, folder: Path) -> int:
    """Run a command in a fork of this process, with stdout and stderr in files; its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        (folder / "tmp").mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(folder / "tmp")
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        _small_steps()
        code = _main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _small_steps() -> None:
    """Let commands keep their work often, so that there is something to resume from."""
    import tempfile

    from fashret.files import saved_arrays
    from fashret.stages import crop

    tempfile.tempdir = None
    crop.BLOCK = 8  # type: ignore[misc]
    saved_arrays.SECONDS_BETWEEN = 0.0  # type: ignore[misc]


def _main(words: str) -> int:
    from fashret.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["fashret", *words.split()]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def finish(words: str, folder: Path) -> float:
    """Run a command to its end; the seconds that it took."""
    started = time.monotonic()
    _, status = os.waitpid(start(words, folder), 0)
    if status:
        said = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
        raise FaultError(f"`fashret {words}` ended with {os.waitstatus_to_exitcode(status)}: {said[-2000:]}")
    return time.monotonic() - started


def kill(words: str, folder: Path, after: float, sent: signal.Signals) -> bool:
    """Run a command and kill it, and the processes that it started, after some seconds; whether it was still there."""
    child, until = start(words, folder), time.monotonic() + after
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(LOOKS)
    os.kill(child, sent)
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):  # its workers end by themselves, which a campaign does not wait for
        os.killpg(child, signal.SIGKILL)
    return True


# --- what is compared ---


def content(path: Path) -> dict[str, Any]:
    """All that a file or folder holds, but the times of its making, and what a run removes last (`_check_left`)."""
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix not in (".lock", ".pt")]
        return {f"{file.relative_to(path)}: {name}": value for file in files for name, value in content(file).items()}
    if path.suffix == ".h5":
        return dict(_hdf5(path))
    if path.suffix == ".safetensors":  # whose metadata are in any order
        tensors, metadata = read_tensors(path)
        return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()} | {"@": metadata}
    if path.name == "curves.png":
        return {"": "there"}
    if path.suffix in (".json", ".html", ".csv"):
        return {"": _without_times(path)}
    return {"": path.read_bytes()}


def _hdf5(path: Path) -> Iterator[tuple[str, Any]]:
    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                data = file[name][()]
                cells = [np.asarray(cell).tobytes() for cell in data.flat] if data.dtype == object else data.tobytes()
                yield name, (data.shape, str(data.dtype), cells)
        for name, value in file.attrs.items():
            if name not in TIMES:
                yield f"@{name}", re.sub(r'"(resume|workers)": [^,}]*', "", str(value))


def _without_times(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.name == "log.csv":
        lines = [line.split(",") for line in text.splitlines()]
        kept = [i for i, name in enumerate(lines[0]) if name not in TIMES]
        return "\n".join(",".join(line[i] for i in kept) for line in lines)
    text = re.sub(r'"(resume|workers|created)": [^,}\n]*', "", text)
    text = re.sub(r"<bdi>(True|False)</bdi>", "", text)  # whether it was resumed
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "", text)


def check(made: Path, whole: dict[str, Any], what: str) -> None:
    """Compare what was made with what an undisturbed run made."""
    try:
        found = content(made)
    except (OSError, ValueError, KeyError, FashretError) as error:
        raise FaultError(f"{what}: {made.name} is not whole: {error}") from error
    if different := sorted(name for name in found | whole if found.get(name) != whole.get(name)):
        raise FaultError(f"{what}: {made.name} differs in {', '.join(different[:5])}")


# --- trials ---


class Campaign:
    """Trials on the inputs in a folder, one after the other."""

    def __init__(self, state: Path, seed: int) -> None:
        self.state, self.seed = state.resolve(), seed  # commands run in folders of their own
        self.log = self.state / "kills.jsonl"
        self.kills: Counter[str] = Counter()
        self.trials = 0
        self.seconds: dict[str, float] = {}
        self.whole: dict[str, Any] = {}

    def prepare(self) -> None:
        """Draw the inputs, run every command undisturbed, and read what was done before."""
        if not (self.state / "ready.json").exists():
            shutil.rmtree(self.state, ignore_errors=True)
            (self.state / "inputs").mkdir(parents=True)
            for words in INPUTS:
                finish(words, self.state)
            seconds = {name: self._undisturbed(name) for name in COMMANDS}
            (self.state / "ready.json").write_text(json.dumps({"seed": self.seed, "seconds": seconds}))
        ready = json.loads((self.state / "ready.json").read_text())
        self.seed, self.seconds = ready["seed"], ready["seconds"]
        for line in self.log.read_text().splitlines() if self.log.exists() else ():
            done = json.loads(line)
            self.kills[done["command"]] += done["kills"]
            self.trials = done["trial"] + 1
        for name, command in COMMANDS.items():
            self.whole[name] = content(self.state / "whole" / name / command.output)

    def _undisturbed(self, name: str) -> float:
        finish(COMMANDS[name].words, self._folder("undisturbed"))  # the first run of a kind is slower
        folder = self._folder("undisturbed")
        seconds = finish(COMMANDS[name].words, folder)
        (self.state / "whole").mkdir(exist_ok=True)
        shutil.copy(folder / "stdout", folder / "out/stdout")
        os.replace(folder / "out", self.state / "whole" / name)
        return seconds

    def _folder(self, name: str) -> Path:
        """A new folder with the inputs, for one output."""
        folder = self.state / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "out").mkdir(parents=True)
        (folder / "inputs").symlink_to(self.state.resolve() / "inputs")
        return folder

    def trial(self, number: int) -> tuple[str, int]:
        """One trial: the command, and how often it was killed."""
        name = list(COMMANDS)[number % len(COMMANDS)]
        rng = random.Random(f"{self.seed} {number}")
        command, folder = COMMANDS[name], self._folder("trial")
        output = folder / "out" / command.output
        old = bool(command.resume) and name != "train" and rng.random() < 0.3
        if old:  # an output from before, which stays until the new one is whole
            whole = self.state / "whole" / name / command.output
            (shutil.copytree if whole.is_dir() else shutil.copy)(whole, output)
        kills, resume = 0, ""
        for _ in range(rng.randint(1, 3)):
            after, sent = rng.uniform(0, 1.05 * self.seconds[name]), rng.choice(SIGNALS)
            killed = kill(command.words + resume, folder, after, sent)
            kills += killed
            self.seconds[name] *= 1.03 if killed else 0.8  # machines are more and less busy
            resume = command.resume
            if (output / "model.json" if name == "train" else output).exists():
                check(output, self.whole[name], f"{name} killed after {after:.3f} s ({sent.name})")
            elif old:
                raise FaultError(f"{name} killed after {after:.3f} s ({sent.name}): the output from before is gone")
        finish(command.words + resume, folder)
        check(output, self.whole[name], f"{name} finished after {kills} kills")
        if (
            name == "evaluate"
            and (folder / "stdout").read_bytes() != (self.state / "whole/evaluate/stdout").read_bytes()
        ):
            raise FaultError("evaluate printed other scores")
        self._check_left(folder, output)
        return name, kills

    def _check_left(self, folder: Path, output: Path) -> None:
        beside = {path.name for path in (folder / "out").iterdir()} - {output.name}
        odd = {path.name for path in (self.state / "inputs").iterdir()} - MADE
        if output.is_dir():
            beside |= {path.name for path in output.rglob("*") if path.suffix in (".lock", ".partial", ".pt")}
        if left := beside | odd:
            raise FaultError(f"left behind: {', '.join(sorted(left))}")

    def run(self, count: int, minutes: float, say: Callable[[str], None]) -> None:
        """Trials until there are enough kills, at least `LEAST` of each command where so many are asked for."""
        least = min(LEAST, count // len(COMMANDS))
        end = time.monotonic() + 60 * minutes
        while (self.kills.total() < count or min(self.kills[name] for name in COMMANDS) < least) and (
            time.monotonic() < end
        ):
            number = self.trials
            try:
                name, kills = self.trial(number)
            except FaultError as error:
                raise FaultError(f"trial {number}: {error}") from error
            self.kills[name] += kills
            self.trials += 1
            with self.log.open("a") as stream:
                stream.write(json.dumps({"trial": number, "command": name, "kills": kills}) + "\n")
            if number % 24 == 23:
                say(self.summary())
        say(self.summary())

    def summary(self) -> str:
        """How often each command was killed."""
        each = ", ".join(f"{name} {self.kills[name]}" for name in COMMANDS)
        return f"{self.kills.total()} kills in {self.trials} trials: {each}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill commands at random moments, and finish them with --resume.")
    parser.add_argument("what", choices=["kills"])
    parser.add_argument("--count", type=int, default=500, help="kills in all (default: 500)")
    parser.add_argument("--seed", type=int, help="of the moments (default: a fresh one)")
    parser.add_argument("--state", type=Path, default=Path("campaign"), help="folder that it continues in")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no trial after so many")
    given = parser.parse_args()
    os.nice(10)
    campaign = Campaign(given.state, secrets.randbelow(10**9) if given.seed is None else given.seed)
    load_all()
    try:
        campaign.prepare()
        print(f"seed {campaign.seed}", flush=True)
        campaign.run(given.count, given.minutes, lambda line: print(line, flush=True))
    except FaultError as error:
        sys.exit(
            f"{error}\nTo repeat it: python -m tests.campaign kills --state {given.state} (seed {campaign.seed}); "
            f"what it left is in {given.state / 'trial'}"
        )


if __name__ == "__main__":
    main()
