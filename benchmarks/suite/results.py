"""What was measured, kept in one JSON file that is written after every measurement, so that a run can be broken off."""

import json
import math
import os
import statistics
from pathlib import Path


class Results:
    def __init__(self, path):
        self.path = Path(path)
        self.data = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.data.setdefault("tasks", {})

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.data, indent=1) + "\n")
        os.replace(temporary, self.path)

    def begin(self, task, program):
        """A task that another program was measured in begins anew."""
        kept = self.data["tasks"].get(task.name)
        if kept is None or kept["program"] != program:
            if kept and kept["measured"]:
                print(f"{task.name}: measured anew, since the program is another one")
            self.data["tasks"][task.name] = {"program": program, "measured": {}, "left_out": {}}
        self.data["tasks"][task.name]["title"] = task.title

    def forget(self, task):
        self.data["tasks"].pop(task, None)

    def turns(self, task, contestant):
        return self.data["tasks"].get(task, {}).get("measured", {}).get(contestant, [])

    def add(self, task, contestant, figures):
        kept = {key: value for key, value in figures.items() if key != "ms"}
        kept = {key: round(value, 9) if isinstance(value, float) else value for key, value in kept.items()}
        self.data["tasks"][task]["measured"].setdefault(contestant, []).append(kept)
        self.data["tasks"][task]["left_out"].pop(contestant, None)
        self.save()

    def leave_out(self, task, contestant, reason):
        if not self.turns(task, contestant):
            self.data["tasks"][task]["left_out"][contestant] = reason
            self.save()

    def median(self, task, contestant, figure="seconds"):
        """None where it was not measured."""
        values = [turn[figure] for turn in self.turns(task, contestant) if turn.get(figure) is not None]
        return statistics.median(values) if values else None

    def least(self, task, contestant, figure="seconds"):
        values = [turn[figure] for turn in self.turns(task, contestant) if turn.get(figure) is not None]
        return min(values) if values else None


def differences(answer, expected):
    """What is wrong with an answer, in words; sums of figures may differ in their last digits."""
    wrong = []
    for key, value in expected.items():
        got = answer.get(key)
        is_near = isinstance(value, float) and isinstance(got, (int, float)) and math.isclose(got, value, rel_tol=1e-6)
        if got != value and not is_near:
            wrong.append(f"{key} is {got} in place of {value}")
    return ", ".join(wrong)
