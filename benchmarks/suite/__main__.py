"""The benchmarks: workloads, turns, tables and plot, in one command.

Builds the workloads, measures every contestant of every task in a fresh process, in turns (the first turn of all, then
the second of all), compares their answers, and writes results.json, the tables of docs/benchmarks.md and its plot. Can
be broken off at any time; the same command goes on where it stopped. What is not installed, and what takes minutes, is
left out and named.

    benchmarks/run --install                 makes the environments of the peers, and no more (2 minutes, 3 GB)
    benchmarks/run                           everything but what is slow: 5 turns, about 25 minutes
    benchmarks/run --quick                   smaller workloads and 2 turns: a few minutes, nothing is published
    benchmarks/run --only 'store-*' --turns 9
    benchmarks/run --slow                    100,000 files, ArcticDB and MLflow as well: an hour more
"""

import argparse
import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from suite import plan, report, venvs
from suite.contestants import Context, slug
from suite.measure import Failed, machine
from suite.results import Results, differences
from suite.scales import SCALES, Dense, Runs

ROOT = Path(__file__).resolve().parents[2]
BARS = "data/bars/SPY_5m.csv"  # below the folder of further test data


def say(text):
    print(text, file=sys.stderr, flush=True)


def given_bars(args):
    """Real bars where they are there: their sweep is the one whose figures are quoted."""
    if args.bars:
        return args.bars.resolve()
    folder = Path(os.environ.get("SIGNALBOOK_TEST_DATA") or ROOT.parent / "shared")
    found = folder / BARS
    return found if found.exists() and args.scale != "tiny" and not args.made_up_bars else None


def is_made(done, bars):
    """Of these bars, that is."""
    of = bars.name if bars else "made up"
    return done.exists() and json.loads(done.read_text()).get("bars_of", of) == of


def make_workload(context, name, bars):
    folder, size = context.workload(name), SCALES[context.scale][name]
    if isinstance(size, Runs) or is_made(folder / "done.json", bars if isinstance(size, Dense) else None):
        return
    say(f"workload {name}")
    shutil.rmtree(folder, ignore_errors=True)
    python = venvs.python_of(context.venvs, "pyarrow") or sys.executable
    command = [python, "-m", "suite.workloads", folder, name, context.scale]
    if bars and isinstance(size, Dense):
        command += ["--bars", bars]
    path = {"PYTHONPATH": str(ROOT / "benchmarks")}
    if subprocess.run(list(map(str, command)), check=False, env=os.environ | path).returncode != 0:
        raise SystemExit(f"workload {name} could not be made")


class Suite:
    def __init__(self, args, context, results, tasks):
        self.args, self.context, self.results, self.tasks = args, context, results, tasks
        self.wrong = []
        self.programs = {}

    def program(self):
        """Which programs were measured."""
        if not self.programs:
            for path in sorted(self.context.programs.glob("bench_*")) + [self.context.program("signalbook")]:
                if os.access(path, os.X_OK) and path.is_file():
                    self.programs[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(self.programs).encode()).hexdigest()[:12]

    def why_left_out(self, contestant):
        if contestant.peer and contestant.peer not in self.args.peers:
            return "not asked for"
        if contestant.peer and venvs.python_of(self.context.venvs, contestant.peer) is None:
            return f"{contestant.peer} is not installed (`benchmarks/run --install`)"
        if contestant.slow and not self.args.slow:
            return "for it takes minutes (`benchmarks/run --slow`)"
        for task, name in contestant.needs:
            if not self.context.outcomes(task, name) and self.why_left_out(self.find(task, name)):
                return f"needs what {name!r} writes, which is left out"
        return ""

    def find(self, task_name, contestant_name):
        task = next(task for task in self.tasks if task.name == task_name)
        return next(one for one in task.contestants if one.name == contestant_name)

    def run_task(self, task):
        self.results.begin(task, self.program())
        for name in task.workloads:
            make_workload(self.context, name, self.args.bars)
        taking_part = []
        for contestant in task.contestants:
            reason = self.why_left_out(contestant)
            if reason:
                self.results.leave_out(task.name, contestant.name, reason)
                say(f"{task.name}: {contestant.name}: LEFT OUT, {reason}")
            else:
                taking_part.append(contestant)
        for turn in range(self.args.turns):
            for contestant in list(taking_part):
                limit = min(self.args.turns, contestant.turns or self.args.turns)
                if len(self.results.turns(task.name, contestant.name)) > turn or turn >= limit:
                    continue
                if not self.measure(task, contestant, turn):
                    taking_part.remove(contestant)
        self.check(task)
        self.results.save()

    def measure(self, task, contestant, turn):
        for needed in contestant.needs:
            self.provide(*needed)
        out = self.context.work / "outcomes" / task.name / slug(contestant.name)
        before = self.context.outcomes(task.name, contestant.name)
        out = out / str(int(before[-1].name) + 1 if before else 0)
        start = time.perf_counter()
        try:
            figures = contestant.measure(self.context, out)
        except Failed as error:
            shutil.rmtree(out, ignore_errors=True)
            words = str(error).replace(str(self.context.work), "...")
            self.results.leave_out(task.name, contestant.name, f"failed ({words[:200]})")
            say(f"{task.name}: {contestant.name}: FAILED, {error}")
            return False
        self.results.add(task.name, contestant.name, figures | {"turn": turn})
        took = time.perf_counter() - start
        say(
            f"{task.name} {turn + 1}/{self.args.turns}: {contestant.name}: {figures['seconds']:.4g} s (took {took:.1f})"
        )
        return True

    def clean(self):
        """Keeps the latest outcome of each contestant, which others read. Done at the end alone: ext4 is slow to create
        files where many were deleted minutes ago."""
        for task in self.tasks:
            for contestant in task.contestants:
                for old in self.context.outcomes(task.name, contestant.name)[:-1]:
                    shutil.rmtree(old)

    def provide(self, task_name, contestant_name):
        """What a contestant reads is written once, where it is not there."""
        if self.context.outcomes(task_name, contestant_name):
            return
        task = next(task for task in self.tasks if task.name == task_name)
        contestant = self.find(task_name, contestant_name)
        self.results.begin(task, self.program())
        for name in task.workloads:
            make_workload(self.context, name, self.args.bars)
        self.measure(task, contestant, 0)

    def check(self, task):
        """Everybody's answer is the right one, or where nobody knows it, the same."""
        measured = self.results.data["tasks"][task.name]["measured"]
        expected = task.expected(self.context) if task.expected and measured else None
        for contestant in task.contestants:
            for figures in measured.get(contestant.name, []):
                answer = figures.get("answer")
                if answer is None:
                    continue
                expected = expected or answer
                wrong = differences(answer, expected)
                if wrong:
                    self.wrong.append(f"{task.name}: {contestant.name}: {wrong}")
                    say(f"WRONG ANSWER: {self.wrong[-1]}")
                    break


def parse():
    deps = Path(os.environ.get("SIGNALBOOK_DEPS") or ROOT / ".deps")
    parser = argparse.ArgumentParser(
        prog="benchmarks/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="the environments of --peers, and no more")
    parser.add_argument("--list", action="store_true", help="the tasks and who takes part, and no more")
    parser.add_argument("--report", action="store_true", help="tables and plot of what is measured, and no more")
    parser.add_argument("--only", action="append", default=[], metavar="TASK", help="as often as needed; * is any")
    parser.add_argument("--skip", action="append", default=[], metavar="TASK")
    parser.add_argument("--turns", type=int)
    parser.add_argument("--quick", action="store_true", help="--scale small --turns 2")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--slow", action="store_true", help="what takes minutes, too")
    parser.add_argument("--again", action="store_true", help="measures the tasks anew")
    parser.add_argument("--layouts", default="packed,files", help="of ours; the first is what others are related to")
    parser.add_argument("--peers", default=",".join(venvs.PEERS), help="of " + ", ".join(venvs.PEERS))
    parser.add_argument("--bars", type=Path, help="a CSV file of 5-minute bars for G1640")
    parser.add_argument("--made-up-bars", action="store_true", help="even where there are real ones")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bench", help="what was built")
    parser.add_argument("--work", type=Path, default=ROOT / "build/benchmarks", help="a folder on the disk to measure")
    parser.add_argument("--venvs", type=Path, default=deps / "peers", help="the environments of the peers")
    parser.add_argument("--publish", type=Path, help="where tables, plot and results.json go (full scale: the project)")
    args = parser.parse_args()
    if args.quick:
        args.scale = "small"
    args.turns = args.turns or (2 if args.quick else 5)
    args.peers = [name for name in args.peers.split(",") if name]
    unknown = set(args.peers) - set(venvs.PEERS)
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    args.bars = given_bars(args)
    return args


def chosen(tasks, args):
    def fits(name, patterns):
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    found = [t for t in tasks if fits(t.name, args.only or ["*"]) and not fits(t.name, args.skip)]
    if not found:
        raise SystemExit(f"no such task; there are {', '.join(task.name for task in tasks)}")
    return found


def main():
    args = parse()
    if args.install:
        return 1 if venvs.install(args.venvs.resolve(), args.peers) else 0
    work = (args.work / args.scale).resolve()
    layouts = args.layouts.split(",")
    context = Context(args.programs.resolve(), work, args.venvs.resolve(), args.scale, layouts)
    tasks = plan.tasks(args.scale, layouts)
    if args.list:
        for task in tasks:
            print(f"{task.name:18} {task.title}\n" + "".join(f"{'':20}{c.name}\n" for c in task.contestants), end="")
        return 0
    wanted = chosen(tasks, args)
    results = Results(work / "results.json")
    context.figures_of = lambda *of: results.turns(*of)[-1]
    suite = Suite(args, context, results, tasks)
    if not args.report:
        work.mkdir(parents=True, exist_ok=True)
        results.data |= {"scale": args.scale, "turns": args.turns, "machine": machine(work)}
        results.data["bars"] = args.bars.name if args.bars else "made up"
        if args.again:
            for task in wanted:
                results.forget(task.name)
        for task in wanted:
            suite.run_task(task)
        suite.clean()
        results.data["measured_on"] = time.strftime("%Y-%m-%d", time.gmtime())
        results.data["signalbook"] = context.ask("--version").strip()
        results.save()
    publish = args.publish or (ROOT if args.scale == "full" else work)
    report.publish(results, tasks, context, publish)
    for wrong in suite.wrong:
        say(f"WRONG ANSWER: {wrong}")
    return 1 if suite.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
