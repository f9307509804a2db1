"""The README's tour, run as it stands: every `$ command` in its console blocks must print what is shown below it.

`$ cat FILE` shows a file of the reader's own, so there the text is taken as the file. UPDATE_GOLDEN=1 rewrites what is
shown. How long a command took is not compared.
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
DURATION = re.compile(r"\d+\.\d\d s$", re.MULTILINE)


def split_commands(block):
    """[(command, what is shown)] of a console block."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    assert parts[0] == "", f"a block begins with a command, not with {parts[0]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def run(command, folder, environment):
    """What a shell prints, both streams, and where it stands afterwards."""
    script = f"{command}\npwd >&3"
    read_end, write_end = os.pipe()
    done = subprocess.run(
        ["bash", "-c", f"exec 3>&{write_end}; {script}"],
        cwd=folder,
        env=environment,
        pass_fds=[write_end],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        return done.stdout, pipe.read().strip()


def test_the_tour(tmp_path):
    program = Path(os.environ["SIGNALBOOK_PROGRAM"])
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "SOURCE_DATE_EPOCH": "1735689600",
        "LC_ALL": "C.UTF-8",
    }
    text = (ROOT / "README.md").read_text()
    folder = str(tmp_path)

    def check(block):
        nonlocal folder
        shown_again = ""
        for command, shown in split_commands(block.group()):
            if command.startswith("cat "):
                (Path(folder) / command.removeprefix("cat ")).write_text(shown)
                printed = shown
            else:
                printed, folder = run(command, folder, environment)
                printed = re.sub(r"[ ]+$", "", printed, flags=re.MULTILINE)
                if DURATION.sub("", printed) == DURATION.sub("", shown):
                    printed = shown
            if "UPDATE_GOLDEN" not in os.environ:
                assert printed == shown, f"$ {command}"
            shown_again += f"$ {command}\n{printed}"
        return shown_again

    updated = BLOCK.sub(check, text)
    if "UPDATE_GOLDEN" in os.environ:
        (ROOT / "README.md").write_text(updated)
